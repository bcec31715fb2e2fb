//! Confinement by `unshare` and a script that builds the file system.

use std::path::Path;

use super::{GUEST, MASKED_FILES, MASKED_FOLDERS, own_system};

/// Builds the file system and gives up everything that was needed for that. Below the root folder
/// nothing but mount points is named before the root has changed, since the tenant may have put
/// links there.
const BUILD: &str = r#"
set -e
root=$1 name=$2 folders=$3 masked_files=$4 masked_folders=$5 program=$6 guest=$7
shift 7
mount --make-rprivate /
mount --bind "$root" "$root"
cd "$root"
for folder in $folders; do
  mount --rbind "$folder" ".$folder"
  mount -o remount,bind,ro,nosuid,nodev ".$folder"
done
mount -t proc -o nosuid,nodev,noexec proc proc
# From here on nobody inside makes a user namespace, which would have every capability.
echo 0 >proc/sys/user/max_user_namespaces
# What System V keeps in memory belongs to no process, so that it counts nowhere.
echo 4096 2>/dev/null >proc/sys/kernel/shmall || :
echo 16 2>/dev/null >proc/sys/kernel/msgmni || :
echo 250 1000 32 16 2>/dev/null >proc/sys/kernel/sem || :
# These are shared with the account outside.
echo 32 2>/dev/null >proc/sys/user/max_inotify_instances || :
echo 10000 2>/dev/null >proc/sys/user/max_inotify_watches || :
# The loopback interface is all that there is of a network; ping says so by itself if it may ask.
ip link set lo up 2>/dev/null || ifconfig lo up 2>/dev/null || busybox ip link set lo up 2>/dev/null || :
echo 0 0 2>/dev/null >proc/sys/net/ipv4/ping_group_range || :
for entry in sys sysrq-trigger irq bus; do
  if [ -e "proc/$entry" ]; then
    mount --bind "proc/$entry" "proc/$entry"
    mount -o remount,bind,ro,nosuid,nodev,noexec "proc/$entry"
  fi
done
for entry in $masked_files; do
  if [ -e "proc/$entry" ]; then mount --bind /dev/null "proc/$entry"; fi
done
for entry in $masked_folders; do
  if [ -d "proc/$entry" ]; then mount -t tmpfs -o ro,size=4k tmpfs "proc/$entry"; fi
done
# Not writable for all: in a folder that is, the kernel lets nobody write to another's device.
mount -t tmpfs -o nosuid,mode=755,size=1m tmpfs dev
for device in null zero full random urandom tty; do
  : >"dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/shm
mount -t tmpfs -o nosuid,nodev,mode=1777,size=16m tmpfs dev/shm
# Terminals of the container's own, of which each has memory of the kernel.
mkdir dev/pts
mount -t devpts -o nosuid,noexec,newinstance,ptmxmode=0666,mode=620,max=64 devpts dev/pts
ln -s pts/ptmx dev/ptmx
if [ -n "$program" ]; then
  : >".$guest"
  mount --bind "$program" ".$guest"
  mount -o remount,bind,ro,nosuid,nodev ".$guest"
fi
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
hostname "$name"
# The old root on top of the new one, so that no folder of the tenant's is needed for it.
pivot_root . .
umount -l .
cd /root
exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
"#;

/// The words before a command that is to run in the root folder.
pub(super) fn arguments(root: &Path, hostname: &str, program: Option<&Path>) -> Vec<String> {
    let mut folders = own_system();
    folders.push("/usr".into());
    let mut arguments: Vec<String> = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--uts",
        "--ipc",
        "--net",
        "--cgroup",
        "sh",
        "-c",
        BUILD,
        "sh",
    ]
    .map(String::from)
    .into();
    arguments.extend([
        root.display().to_string(),
        hostname.to_owned(),
        folders.join(" "),
        MASKED_FILES.join(" "),
        MASKED_FOLDERS.join(" "),
        program.map_or_else(String::new, |program| program.display().to_string()),
        GUEST.to_owned(),
    ]);
    arguments
}
