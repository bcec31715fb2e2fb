//! Fills the root folder of a new container: folders, the files that every Debian has, and the
//! files of the host's `/etc` that its programs need to find their libraries, certificates, names
//! and settings. Files that ordinary users cannot read are left out.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use super::host_user::login_shell;

const FOLDERS: &[&str] = &[
    "dev", "etc", "home", "mnt", "opt", "proc", "root", "run", "srv", "sys", "tmp", "usr", "var",
    "var/log", "var/tmp",
];

/// Below the host's `/etc`: links between programs, what the dynamic loader knows, certificates,
/// names of services and protocols, and settings of programs.
const OF_THE_HOST: &[&str] = &[
    "alternatives",
    "debian_version",
    "inputrc",
    "iproute2",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "nanorc",
    "pki/tls/certs/ca-bundle.crt",
    "pki/tls/cert.pem",
    "protocols",
    "python3",
    "python3.11",
    "python3.12",
    "python3.13",
    "services",
    "ssl/cert.pem",
    "ssl/certs/ca-certificates.crt",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
    "vim",
    "vimrc",
    "virc",
];

/// The largest file of the host that is copied, in bytes.
const LARGEST: u64 = 2 << 20;

/// Files and links of one folder of the host that are copied.
const MOST_ENTRIES: usize = 2000;

/// As in every Debian: a shell that runs a command for SSH reads the file as well.
const GUARD: &str = "[ -z \"$PS1\" ] && return\n";

/// The shell's greeting.
const WELCOME: &str = "This is a simulated container: it has the host's programs, which cannot be \
                       changed, and no network.";

fn files(hostname: &str) -> [(&'static str, String); 9] {
    let prompt = "PS1='\\u@\\h:\\w# '\n";
    [
        ("etc/hostname", format!("{hostname}\n")),
        ("etc/hosts", format!("127.0.0.1 localhost\n127.0.1.1 {hostname}\n")),
        (
            "etc/passwd",
            format!(
                "root:x:0:0:root:/root:{}\n\
                 nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
                login_shell()
            ),
        ),
        ("etc/group", "root:x:0:\nnogroup:x:65534:\n".into()),
        // Without a network no name server can be reached.
        ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n".into()),
        ("etc/resolv.conf", "# A simulated container has no network.\n".into()),
        (
            "etc/os-release",
            "PRETTY_NAME=\"Debian GNU/Linux 12 (simulated)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n".into(),
        ),
        ("etc/bash.bashrc", format!("{GUARD}{prompt}echo \"{WELCOME}\"\n")),
        ("root/.profile", prompt.into()),
    ]
}

/// Fills a new folder before any other process can open it.
pub(super) fn build(root: &Path, hostname: &str) -> io::Result<()> {
    for folder in FOLDERS {
        fs::create_dir_all(root.join(folder))?;
    }
    for link in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        // The host's own layout: a link where it has one, else a place to mount its folder on.
        let host = Path::new("/").join(link);
        match fs::read_link(&host) {
            Ok(target) => symlink(target, root.join(link))?,
            Err(_) if host.is_dir() => fs::create_dir(root.join(link))?,
            Err(_) => {}
        }
    }
    for name in OF_THE_HOST {
        let to = root.join("etc").join(name);
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        copy(&Path::new("/etc").join(name), &to)?;
    }
    for (path, text) in files(hostname) {
        fs::write(root.join(path), text)?;
    }
    Ok(())
}

/// Copies files and links that are readable for all. Missing, closed and large files are left out,
/// and so are links to manual pages, which are many.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let Ok(about) = from.symlink_metadata() else {
        return Ok(());
    };
    if about.is_symlink() {
        return match fs::read_link(from) {
            Ok(target) if target.extension().is_none_or(|kind| kind != "gz") => symlink(target, to),
            _ => Ok(()),
        };
    }
    let for_everybody = about.mode() & 0o004 != 0;
    if about.is_file() && for_everybody && about.len() <= LARGEST {
        // A file that was removed just now is left out, too.
        if let Ok(content) = fs::read(from) {
            fs::write(to, content)?;
        }
    } else if about.is_dir() && for_everybody {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)
            .into_iter()
            .flatten()
            .flatten()
            .take(MOST_ENTRIES)
        {
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
