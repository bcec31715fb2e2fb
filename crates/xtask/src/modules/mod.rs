//! `cargo xtask modules`: prints module cycles and upward imports of each package; there should be
//! none.
//!
//! A *module cycle* is a loop of files that import each other. An *upward import* is the same one
//! level up: folders (or a folder and a file beside it) that import each other although no single
//! file does. A name counts for the file that defines it, not for those that re-export it. A module
//! may use its children, which may use what it defines: Rust's own privacy makes a family of them,
//! and only loops that leave it are found. Code under `#[cfg(test)]` does not count. [`source`]
//! reads files, [`resolve`] finds where a name is defined, [`graph`] finds the loops.

mod graph;
mod resolve;
mod source;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Result, bail};

use crate::workspace;
use resolve::Package;

/// For each importing file, the files that it imports and the names that it takes from each.
type FileImports = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// A loop, and the imports that close it.
pub struct ImportLoop {
    /// Files or folders, relative to the workspace.
    pub members: Vec<String>,
    /// `FILE -> FILE: names`.
    pub imports: Vec<String>,
}

/// Prints all loops.
///
/// # Errors
/// There is one, or a file cannot be read.
pub fn run() -> Result<()> {
    let (cycles, folder_loops) = loops()?;
    for (kind, found) in [("module cycle", &cycles), ("upward imports", &folder_loops)] {
        for found in found {
            println!("{kind}: {}", found.members.join(", "));
            for import in &found.imports {
                println!("  {import}");
            }
        }
    }
    println!(
        "{} module cycles, {} loops of folders",
        cycles.len(),
        folder_loops.len()
    );
    if cycles.len() + folder_loops.len() > 0 {
        bail!("modules import each other");
    }
    Ok(())
}

/// Cycles of files, and those of folders, of all packages.
///
/// # Errors
/// A file cannot be read.
pub fn loops() -> Result<(Vec<ImportLoop>, Vec<ImportLoop>)> {
    let (mut cycles, mut folder_loops) = (Vec::new(), Vec::new());
    for package in workspace::packages()? {
        let imports = imports(&package)?;
        cycles.extend(graph::cycles(&imports));
        folder_loops.extend(graph::folder_loops(&imports));
    }
    Ok((cycles, folder_loops))
}

/// What the files of a package import from each other; `package` is relative to the workspace.
fn imports(package: &Path) -> Result<FileImports> {
    let package = Package::read(workspace::root(), &package.join("src"))?;
    Ok(package.imports())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> (Vec<Vec<String>>, Vec<Vec<String>>) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = folder.path().join("src").join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        let imports = Package::read(folder.path(), Path::new("src"))
            .unwrap()
            .imports();
        let members =
            |loops: Vec<ImportLoop>| loops.into_iter().map(|found| found.members).collect();
        (
            members(graph::cycles(&imports)),
            members(graph::folder_loops(&imports)),
        )
    }

    #[test]
    fn files_that_import_each_other_are_a_cycle() {
        let (cycles, _) = found(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b::B; pub struct A(B);"),
            ("b.rs", "pub struct B; fn made() -> super::a::A { loop {} }"),
        ]);
        assert_eq!(cycles, [["src/a.rs", "src/b.rs"]]);
    }

    #[test]
    fn a_re_exported_name_counts_for_the_file_that_defines_it() {
        let files = [
            ("lib.rs", "mod a;"),
            ("a/mod.rs", "mod b; mod c; pub use b::B; pub use c::C;"),
            ("a/b.rs", "pub struct B;"),
            ("a/c.rs", "use super::B; pub struct C(B);"),
        ];
        assert_eq!(found(&files), (vec![], vec![]));
    }

    #[test]
    fn a_module_and_its_children_are_no_cycle_but_a_way_round_them_is() {
        let child = "pub struct B; impl B { fn of(a: &super::A) { drop(a); } }";
        let mut files = [
            ("lib.rs", "mod a; mod c;"),
            ("a/mod.rs", "pub mod b; pub struct A(b::B);"),
            ("a/b.rs", child),
            ("c.rs", "use crate::a::b::B; pub struct C(B);"),
        ];
        assert_eq!(found(&files), (vec![], vec![]));
        files[1].1 = "pub mod b; pub struct A(crate::c::C);";
        let (cycles, _) = found(&files);
        assert_eq!(cycles, [["src/a/b.rs", "src/a/mod.rs", "src/c.rs"]]);
    }

    #[test]
    fn folders_that_import_each_other_are_told_though_no_file_does() {
        let (cycles, folder_loops) = found(&[
            ("lib.rs", "mod a; mod b;"),
            ("a/mod.rs", "pub mod low; pub mod high;"),
            ("a/low.rs", "pub const LOW: u8 = 1;"),
            ("a/high.rs", "use crate::b; pub const HIGH: u8 = b::MIDDLE;"),
            (
                "b.rs",
                "use crate::a::low; pub const MIDDLE: u8 = low::LOW;",
            ),
        ]);
        assert!(cycles.is_empty());
        assert_eq!(folder_loops, [["src/a", "src/b"]]);
    }

    #[test]
    fn names_in_macros_count_and_tests_do_not() {
        let (cycles, _) = found(&[
            ("lib.rs", "mod a; mod b; mod c;"),
            (
                "a.rs",
                "use crate::b; pub const A: u8 = 1; fn told() { println!(\"{}\", b::B); }",
            ),
            ("b.rs", "pub const B: u8 = crate::a::A;"),
            (
                "c.rs",
                "pub const C: u8 = crate::a::A; #[cfg(test)] mod tests { use super::*; }",
            ),
        ]);
        assert_eq!(cycles, [["src/a.rs", "src/b.rs"]]);
    }

    #[test]
    fn the_packages_of_the_workspace_have_no_loops() {
        let (cycles, folder_loops) = loops().unwrap();
        let members: Vec<_> = cycles
            .iter()
            .chain(&folder_loops)
            .map(|found| found.members.join(", "))
            .collect();
        assert!(members.is_empty(), "{members:#?}");
    }
}
