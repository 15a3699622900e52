# One energy session on the phone: windows of idle and load, with readings of its gauges.
#
#   sh session.sh FOLDER EVERY SECONDS MOST MOVES ORDER SOURCES RUNNER...
#
# It needs no connection while it runs, so a cable may be drawn. Everything is appended to FOLDER/log
# as the phone says it, behind lines that begin with @; `@done` is the last. With `perfetto` among
# SOURCES its trace of the battery is in FOLDER/trace besides. Each window of ORDER
# (`idle load ...`) lasts SECONDS, and until the charge counter has moved MOVES times in a load, a
# third of that in an idle one, but at most MOST seconds. A reading asks each of SOURCES every EVERY
# seconds. Screen and battery saver are set for the session and put back at its end; what they were is
# kept in RESTORE until then, so that after a kill or a restart of the phone
#
#   sh session.sh restore
#
# puts them back. A battery that still charges after five minutes ends the session, as @charging says,
# and so does a lock screen, as @locked says: it turns itself off after ten seconds, whatever the
# time-out in the settings (Android's config_lockScreenDisplayTimeout), and then phones fall asleep.
set -u
keepsake=${RESTORE:-/data/local/tmp/edge_bert-settings}

# Settings that a session left changed: put back, unless it is still at work.
restore_settings() {
    [ -f "$keepsake" ] || return 0
    read -r owner <"$keepsake"
    if [ "$owner" != $$ ] && grep -aq session.sh "/proc/$owner/cmdline" 2>/dev/null; then
        return 0
    fi
    sed 1d "$keepsake" | while read -r space name value; do
        if [ "$value" = null ] || [ -z "$value" ]; then
            settings delete "$space" "$name"
        else
            settings put "$space" "$name" "$value"
        fi
    done >/dev/null 2>&1
    rm -f "$keepsake"
    echo restored
}

if [ "$1" = restore ]; then
    restore_settings
    exit
fi
folder=$1 every=$2 seconds=$3 most=$4 moves=$5 order=$6 sources=$7
shift 7
log=$folder/log
supply=/sys/class/power_supply/battery
cpus=/sys/devices/system/cpu/cpufreq
settings="system:screen_brightness_mode:0 system:screen_brightness:1
    system:screen_off_timeout:86400000 global:low_power:0"
runner_pid='' uptime=0 now=0 charge=''

say() { echo "@$*" >>"$log"; }

look_at_clock() {
    read -r uptime _ <"${UPTIME:-/proc/uptime}"
    now=${uptime%.*}
}

ask() { # SOURCE
    case $1 in
    battery) dumpsys battery ;;
    rails) dumpsys android.hardware.power.stats.IPowerStats/default ;;
    heat) dumpsys thermalservice ;;
    power) dumpsys power | grep -e mWakefulness= -e mSystemBattery ;;
    clocks)
        for file in $cpus/policy*/related_cpus $cpus/policy*/scaling_max_freq \
            $cpus/policy*/cpuinfo_max_freq; do
            echo "$file:$(cat "$file")"
        done
        ;;
    forced:*) cmd battery get -f "${1#forced:}" ;;
    sysfs:*) cat "$supply/${1#sysfs:}" ;;
    esac 2>/dev/null
}

take_reading() {
    look_at_clock
    say "read $uptime"
    for source in $sources; do
        [ "$source" = perfetto ] && continue
        say "from $source"
        answer=$(ask "$source")
        echo "$answer" >>"$log"
        case $source in
        battery) seen=$(echo "$answer" | sed -n 's/^  Charge counter: //p') ;;
        sysfs:charge_counter | forced:counter) seen=$answer ;;
        esac
    done
}

# Ends when the window has lasted long enough, or its runner is gone.
watch_window() { # KIND
    before='' moved=0
    look_at_clock
    start=$now
    while :; do
        seen=''
        take_reading
        [ -n "$before" ] && [ "$seen" != "$before" ] && moved=$((moved + 1))
        before=$seen
        lasted=$((now - start))
        if [ "$1" = load ]; then
            kill -0 "$runner_pid" 2>/dev/null || return
            [ $lasted -ge "$seconds" ] && [ $moved -ge "$moves" ] && return
        else
            [ $lasted -ge "$seconds" ] && [ $((3 * moved)) -ge "$moves" ] && return
        fi
        [ $lasted -ge "$most" ] && return
        sleep "$every"
    done
}

run_window() { # KIND NUMBER RUNNER...
    kind=$1 number=$2
    shift 2
    look_at_clock
    say "window $kind $number $uptime"
    if [ "$kind" = load ]; then
        "$@" >"$folder/load-$number" 2>"$folder/errors-$number" </dev/null &
        runner_pid=$!
    fi
    watch_window "$kind"
    look_at_clock
    say "end $kind $number $uptime"
    if [ "$kind" = load ]; then
        kill -TERM "$runner_pid" 2>/dev/null
        wait "$runner_pid"
        say "status $?"
        grep -v -e '"type":"run"' -e '"type":"warmup"' -e '"type":"text"' "$folder/load-$number" >>"$log"
        say "count $(grep -c '"type":"run"' "$folder/load-$number")"
        tail -n 1 "$folder/errors-$number" >>"$log"
        runner_pid=''
    fi
}

# The screen stays on, as dark as can be: with it off, phones fall asleep in the middle of a load.
set_screen() {
    restore_settings
    (echo $$ >"$keepsake") 2>/dev/null || { keepsake=$folder/settings && echo $$ >"$keepsake"; }
    for setting in $settings; do
        space=${setting%%:*} rest=${setting#*:}
        value=$(settings get "$space" "${rest%%:*}")
        say "setting $space ${rest%%:*} $value"
        echo "$space ${rest%%:*} $value" >>"$keepsake"
        settings put "$space" "${rest%%:*}" "${rest#*:}"
    done
    input keyevent KEYCODE_WAKEUP
    say 'from power'
    ask power >>"$log"
}

# One without a secret goes away by itself.
leave_lock_screen() {
    wm dismiss-keyguard
    sleep 2
    if dumpsys window policy | grep -q '^ *showing=true'; then
        say locked
        exit 0
    fi
} >/dev/null 2>&1

# Only this folder is open to both Perfetto's service and the shell.
trace=/data/misc/perfetto-traces/edge_bert-$$.pftrace
trace_pid=''

start_trace() {
    perfetto --txt -c - -o "$trace" >"$folder/trace-log" 2>&1 <<CONFIG &
write_into_file: true
file_write_period_ms: 10000
buffers { size_kb: 2048 }
data_sources { config { name: "android.power" android_power_config {
battery_poll_ms: ${every}000
battery_counters: BATTERY_COUNTER_CHARGE
battery_counters: BATTERY_COUNTER_CURRENT
battery_counters: BATTERY_COUNTER_VOLTAGE
} } }
CONFIG
    trace_pid=$!
}

end_trace() {
    [ -n "$trace_pid" ] || return
    kill -TERM "$trace_pid" 2>/dev/null
    wait "$trace_pid"
    cat "$trace" >"$folder/trace" 2>/dev/null
    rm -f "$trace"
}

put_back() {
    trap - EXIT
    end_trace
    [ -n "$runner_pid" ] && kill -TERM "$runner_pid" 2>/dev/null
    restore_settings >/dev/null
    say done
}

wait_for_battery() {
    tries=0
    until ask battery | grep -q '^  status: 3'; do
        tries=$((tries + 1))
        if [ $tries -gt 60 ]; then
            say charging
            exit 0
        fi
        sleep 5
    done
}

: >"$log"
echo $$ >"$folder/pid"
say 'session 1'
trap put_back EXIT
trap 'exit 1' INT TERM HUP
set_screen >/dev/null 2>&1
leave_lock_screen
case " $sources " in *' rails '*) ;; *) wait_for_battery ;; esac
case " $sources " in *' perfetto '*) start_trace ;; esac
number=0
for kind in $order; do
    number=$((number + 1))
    run_window "$kind" $number "$@"
done
