# Measures the files beside it on a phone, by itself: nothing but this folder is needed, no root, no
# network, no cable.
#
#   sh run.sh          starts and comes back at once; the cable may be drawn
#   sh run.sh --wait   comes back at the end, for services that take a program's end for its result
#
# What it finds goes into one text, results.txt: the phone's facts, and for each line of `jobs` its
# state before and after, and what the runner printed. A line is ARTIFACT SIGNATURE MODEL INPUTS, and
# for a data set its texts as INPUTS, then PLAN RUNS ABOUT: the rule, inferences, and words to repeat. Marks begin with @; `@done` is the last one.
# No serial number is in it: a phone is named by eight digits of a hash, as edge-bert names it.
set -u
case $0 in */*) cd "${0%/*}" || exit 1 ;; esac
case ${1-} in
--wait | --inside) ;;
*)
    if command -v setsid >/dev/null 2>&1; then
        setsid sh run.sh --inside </dev/null >/dev/null 2>&1 &
    else
        nohup sh run.sh --inside </dev/null >/dev/null 2>&1 &
    fi
    echo "It runs by itself now. When the last line of $PWD/results.txt is @done, take that file:"
    echo "  invoke bench --profile NAME --import results.txt"
    exit 0
    ;;
esac

new=results.partial
say() { echo "@$*" >>$new; }
# A line of a phone's own that begins with @ is no mark.
keep() { sed -e 's/^@/ @/' >>$new; }
from() { # NAME COMMAND...
    say "from $1"
    shift
    "$@" 2>/dev/null | keep
}

system=${SYSTEM:-/sys/devices/system/cpu} cpuinfo=${CPUINFO:-/proc/cpuinfo}
list() { # FILES...
    for file in "$@"; do
        [ -r "$file" ] && echo "/sys/devices/system/cpu${file#"$system"}:$(cat "$file" 2>/dev/null)"
    done
}
list_facts() {
    list $system/cpufreq/policy*/related_cpus $system/cpufreq/policy*/cpuinfo_max_freq \
        $system/cpu[0-9]*/cpufreq/cpuinfo_max_freq $system/cpu[0-9]*/cache/index*/level \
        $system/cpu[0-9]*/cache/index*/type $system/cpu[0-9]*/cache/index*/size
}
list_clocks() {
    list $system/cpufreq/policy*/related_cpus $system/cpufreq/policy*/scaling_max_freq \
        $system/cpufreq/policy*/cpuinfo_max_freq
}
list_times() {
    for policy in $system/cpufreq/policy*; do
        echo "/sys/devices/system/cpu${policy#"$system"}:$(cat "$policy/related_cpus" 2>/dev/null)"
        cat "$policy/stats/time_in_state" 2>/dev/null
    done
}
list_properties() { getprop | grep -v -i -e serial -e imei -e 'mac\(addr\)*\]'; }

name_phone() {
    number=$(getprop ro.serialno 2>/dev/null)
    [ -n "$number" ] || number=$(cat /proc/sys/kernel/random/boot_id)
    hash=$(printf 'edge-bert %s' "$number" | sha256sum)
    say "phone phone-$(echo "$hash" | cut -c 1-8)"
}

# The CPUs of the clock control that goes highest.
find_fastest() {
    fastest='' highest=0
    for policy in $system/cpufreq/policy*; do
        clock=$(cat "$policy/cpuinfo_max_freq" 2>/dev/null) || continue
        if [ "$clock" -gt $highest ]; then
            highest=$clock fastest=''
            for cpu in $(cat "$policy/related_cpus"); do
                fastest=${fastest:+$fastest,}$cpu
            done
        fi
    done 2>/dev/null
}

look() { # before|after
    say "state $1"
    from battery dumpsys battery
    from heat dumpsys thermalservice
    from clocks list_clocks
    from times list_times
}

infer() { # MARK RUNNER'S OPTIONS...
    say "$1"
    shift
    [ -n "$fastest" ] && set -- "$@" --prefer-cores "$fastest"
    # shellcheck disable=SC2086 -- the words of a command of ours
    $command "$@" >output 2>errors </dev/null
    status=$?
    keep <output
    say "status $status"
    tail -n 1 errors | keep
    rm -f output errors
}

take_job() { # ARTIFACT SIGNATURE MODEL INPUTS
    say "job $1 $2 $(date -u +%Y-%m-%dT%H:%M:%S+00:00)"
    look before
    inputs=''
    [ -f "$4" ] && inputs="--inputs $4"
    # shellcheck disable=SC2086 -- names of ours, without spaces
    infer run --model "$3" --signature "$2" --threads 1 $inputs --warmup 5 --duration-ms 2000 \
        --settle-ms 3000
    look after
    # shellcheck disable=SC2086
    infer cold --model "$3" --signature "$2" --threads 1 $inputs --warmup 1 --repetitions 1 \
        --profile --cold
}

# The texts of a data set, each through the stages and the rule of PLAN; RUNS of them in all.
take_texts() { # ARTIFACT SIGNATURE MODEL TEXTS PLAN RUNS ABOUT
    say "job $1 $2 $(date -u +%Y-%m-%dT%H:%M:%S+00:00)"
    say "data $7"
    look before
    infer run --model "$3" --exits "$5" --inputs "$4" --threads 1 --warmup 5 --repetitions "$6" \
        --settle-ms 3000
    look after
}

answers() { # PATTERN COMMAND...
    pattern=$1
    shift
    "$@" 2>/dev/null | grep -q -e "$pattern"
}

find_sources() {
    supply=/sys/class/power_supply/battery
    sources=''
    answers 'mWs' dumpsys android.hardware.power.stats.IPowerStats/default && sources="rails"
    answers '^  status: ' dumpsys battery && sources="$sources battery"
    for name in counter current_now; do
        answers '^-*[0-9][0-9]*$' cmd battery get -f $name && sources="$sources forced:$name"
    done
    for name in current_now voltage_now charge_counter; do
        answers '^-*[0-9][0-9]*$' cat $supply/$name && sources="$sources sysfs:$name"
    done
}

# One session of session.sh, whose log is part of the text, each line behind a bar.
take_energy() { # ORDER ARTIFACT SIGNATURE MODEL INPUTS [PLAN]
    find_sources
    case " $sources " in
    *' rails '*) lengths="75 75 0" ;;
    *' battery '*) lengths="120 600 6" ;;
    *) return ;;
    esac
    mkdir -p energy
    inputs=''
    [ -f "$5" ] && inputs="--inputs $5"
    what="--signature $3"
    [ -n "$6" ] && what="--exits $6"
    [ -n "$fastest" ] && inputs="$inputs --prefer-cores $fastest"
    # shellcheck disable=SC2086
    sh session.sh "$PWD/energy" 5 $lengths "$1" "$sources heat clocks" $command \
        --model "$4" $what --threads 1 $inputs --warmup 5 --duration-ms 720000
    say "energy $2 $3"
    sed -e 's/^/|/' energy/log >>$new
    rm -rf energy
}

chmod 755 ./* 2>/dev/null
rm -f results.txt
echo '@results 1' >$new
name_phone
from getprop list_properties
from cpuinfo cat "$cpuinfo"
from sysfs list_facts
from meminfo cat /proc/meminfo
read -r command <command
find_fastest
say "cores $fastest"
while read -r artifact signature model inputs plan runs about <&3; do
    if [ -n "$plan" ]; then
        take_texts "$artifact" "$signature" "$model" "$inputs" "$plan" "$runs" "$about" 3<&-
    else
        take_job "$artifact" "$signature" "$model" "$inputs" 3<&-
    fi
done 3<jobs
if [ -f energy-order ]; then
    read -r artifact signature model inputs plan runs about <jobs
    take_energy "$(cat energy-order)" "$artifact" "$signature" "$model" "$inputs" "$plan"
fi
say done
mv $new results.txt
