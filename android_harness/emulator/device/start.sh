#!/bin/sh
# The emulated phone's first process, started by `unshare` in namespaces of its own.
#
#   start.sh ROOT PORT QEMU_CPU DATA_BYTES
#
# Everything mounted here and every process started here ends with this one.
set -eu
PATH=$PATH:/usr/sbin:/sbin
chroot=$(command -v chroot)
setpriv=$(command -v setpriv)
root=$1 port=$2 cpu=$3 data_bytes=$4
shell=2000 # Android's user of `adb shell`

mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --bind "$root/world/cpuinfo" "$root/proc/cpuinfo"
mount -t tmpfs -o mode=755,size=1m tmpfs "$root/dev"
for device in null zero urandom random; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
# A limit of its own, so that a full phone is not a full computer.
mount -t tmpfs -o "mode=771,size=$data_bytes" tmpfs "$root/data"
mkdir -p "$root/data/local/tmp" "$root/data/misc/perfetto-traces"
chown -R "$shell:$shell" "$root/data/local" "$root/data/misc" "$root/world" "$root/sys/class/power_supply"

# A phone has no environment of the computer it is emulated on, and no rights there: whoever can
# open the port gets a shell. LD_PRELOAD is for ARM64 programs only, so `env` sets it inside.
inside() {
    env -i QEMU_CPU="$cpu" "$setpriv" --no-new-privs \
        "$chroot" --userspec="$shell:$shell" --groups="" "$root" /system/bin/env \
        PATH=/system/bin HOME=/ TMPDIR=/data/local/tmp ANDROID_ROOT=/system ANDROID_DATA=/data "$@"
}

inside /system/bin/edge_bert_battery &
[ -e "$root/system/bin/edge_bert_suspend" ] && inside /system/bin/edge_bert_suspend &
# Android's init starts adbd again when it dies.
while :; do
    inside ADBD_PORT="$port" LD_PRELOAD=/system/lib64/libloopback.so \
        /usr/lib/android-sdk/platform-tools/adbd || :
    sleep 0.3
done
