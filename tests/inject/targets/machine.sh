# The first process of a machine of its own: makes it one and becomes systemd. PLACE is the test's folder, the only one
# that can be written; the other arguments are the folders of its control group, one in each hierarchy.
set -e
place=$1
shift
# A process that writes 0 moves itself: its real number is not known in here.
for folder; do echo 0 >"$folder/cgroup.procs"; done
exec unshare --cgroup sh -ec '
place=$1
# What is mounted now shows the group above as the root of everything.
awk '\''$5 ~ "^/sys/fs/cgroup" { for (i = 7; i < NF; i++) if ($i == "-") print $5, $(i + 1), $(i + 3) }'\'' \
  /proc/self/mountinfo >"$place/hierarchies"
umount -R /sys/fs/cgroup
while read -r at type options; do
  case $type in
    tmpfs) mount -t tmpfs -o mode=755 tmpfs "$at" ;;
    cgroup2) mkdir -p "$at" && mount -t cgroup2 cgroup2 "$at" ;;
    cgroup) mkdir -p "$at" && mount -t cgroup -o "${options#r?,}" cgroup "$at" ;;
  esac
done <"$place/hierarchies"
mount -t tmpfs -o mode=755 tmpfs /run
mount --bind "$place/etc" /etc/systemd/system
mount --bind "$place" "$place"
mount -o remount,bind,ro /
# Each boot has another number, as on every machine.
cat /proc/sys/kernel/random/uuid >/run/boot-id
mount --bind /run/boot-id /proc/sys/kernel/random/boot_id
mount --bind /dev/null /dev/console
export container=deadstick-test SYSTEMD_UNIT_PATH="/etc/systemd/system:$place/lib" SYSTEMD_GENERATOR_PATH="$place/none"
exec /lib/systemd/systemd --system --unit=multi-user.target --log-target=null --show-status=0
' sh "$place"
