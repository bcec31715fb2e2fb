//! Who may make a transition.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn only_the_payment_module_has_the_right_to_make_transitions() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&source, &mut files);
    let implements = concat!("TransitionRight", " for ");
    let mut holders: Vec<_> = files
        .iter()
        .filter(|file| fs::read_to_string(file).unwrap().contains(implements))
        .map(|file| file.strip_prefix(&source).unwrap().to_owned())
        .collect();
    holders.sort();
    // The second one is for tests only.
    let expected = ["payment/mod.rs", "payment_machine/transition.rs"].map(PathBuf::from);
    assert_eq!(holders, expected);
}
