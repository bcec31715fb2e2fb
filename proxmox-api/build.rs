//! Looks for the terminal emulator that `cargo xtask setup` installs in `page/node_modules`, and builds
//! it into the binary. Without it the program builds, and the console page says that it is missing. It
//! also sets the `cfg`s by which tests that need something of this machine are ignored.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Constant and file of each part.
const PARTS: [(&str, &str); 3] = [
    ("xterm_script", "@xterm/xterm/lib/xterm.mjs"),
    ("xterm_style", "@xterm/xterm/css/xterm.css"),
    ("fit_script", "@xterm/addon-fit/lib/addon-fit.mjs"),
];

fn main() -> io::Result<()> {
    test_needs::emit();
    // The folder is always there. A missing file, such as one that npm installs, would make every
    // build run this again.
    println!("cargo::rerun-if-changed=page");
    let page = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("page");
    let packages = page.join("node_modules");
    let complete = PARTS.iter().all(|(_, file)| packages.join(file).is_file());
    let out = PathBuf::from(variable("OUT_DIR")?);
    println!("cargo::rustc-check-cfg=cfg(has_console_page)");
    if complete {
        println!("cargo::rustc-cfg=has_console_page");
    }
    let emulator = if complete {
        format!("Some(Emulator {{ {} }})", fields(&packages, &out)?)
    } else {
        "None".to_owned()
    };
    let source = format!("const EMULATOR: Option<Emulator> = {emulator};\n");
    fs::write(out.join("emulator.rs"), source)
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|error| io::Error::other(format!("{name}: {error}")))
}

/// Copies the files without the lines that point to their source maps, which are not served.
fn fields(packages: &Path, out: &Path) -> io::Result<String> {
    let mut fields = String::new();
    for (field, file) in PARTS {
        let text = fs::read_to_string(packages.join(file))?;
        let kept: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with("//# sourceMappingURL"))
            .collect();
        let copy = out.join(field);
        fs::write(&copy, kept.join("\n"))?;
        fields += &format!("{field}: include_bytes!({copy:?}),");
    }
    Ok(fields)
}
