//! Finds loops in the graph of imports.

use std::collections::{BTreeMap, BTreeSet};

use super::{FileImports, ImportLoop};

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Loops of files.
pub fn cycles(imports: &FileImports) -> Vec<ImportLoop> {
    let graph = imports
        .iter()
        .map(|(file, imported)| (file.clone(), imported.keys().cloned().collect()))
        .collect();
    let loops = find_loops(&graph).into_iter();
    loops
        .map(|members| describe_loop(imports, members, |file| file.to_owned()))
        .collect()
}

/// Loops of folders, or of folders and files beside them. `a.rs` belongs to the folder `a`; the
/// file that declares the modules of a folder is not one of its members.
pub fn folder_loops(imports: &FileImports) -> Vec<ImportLoop> {
    let files: BTreeSet<&String> = imports
        .iter()
        .flat_map(|(file, imported)| imported.keys().chain([file]))
        .collect();
    let folders: BTreeSet<&str> = files
        .iter()
        .flat_map(|file| file.match_indices('/').map(|(at, _)| &file[..at]))
        .collect();
    let mut found = Vec::new();
    for folder in folders {
        let member = |file: &str| member_of(folder, file);
        let mut graph = Graph::new();
        for (file, imported) in imports {
            let Some(from) = member(file) else { continue };
            let to = imported.keys().filter_map(|file| member(file));
            let to = to.filter(|to| *to != from);
            graph.entry(from.clone()).or_default().extend(to);
        }
        for members in find_loops(&graph) {
            found.push(describe_loop(imports, members, |file| {
                member(file).unwrap_or_default()
            }));
        }
    }
    found.retain(|found| found.members.iter().any(|member| is_folder(&files, member)));
    found
}

/// Whether a member is a folder with files.
fn is_folder(files: &BTreeSet<&String>, member: &str) -> bool {
    let inside = format!("{member}/");
    files.iter().any(|file| file.starts_with(&inside))
}

/// The member of `folder` to which a file belongs, if it is below it.
fn member_of(folder: &str, file: &str) -> Option<String> {
    let rest = file.strip_prefix(folder)?.strip_prefix('/')?;
    let name = rest.split('/').next()?;
    if ["mod.rs", "lib.rs", "main.rs"].contains(&name) {
        return None;
    }
    Some(format!("{folder}/{}", name.trim_end_matches(".rs")))
}

fn describe_loop(
    imports: &FileImports,
    members: Vec<String>,
    member: impl Fn(&str) -> String,
) -> ImportLoop {
    let mut lines = Vec::new();
    for (file, imported) in imports {
        for (other, names) in imported {
            let (from, to) = (member(file), member(other));
            if from != to && members.contains(&from) && members.contains(&to) {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                lines.push(format!("{file} -> {other}: {}", names.join(", ")));
            }
        }
    }
    ImportLoop {
        members,
        imports: lines,
    }
}

/// Sets of nodes that reach each other.
fn find_loops(graph: &Graph) -> Vec<Vec<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> = graph
        .keys()
        .map(|node| (node, reachable_from(graph, node)))
        .collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for (node, reachable_from) in &reach {
        if !reachable_from.contains(node) || seen.contains(node) {
            continue;
        }
        let members: Vec<&String> = reachable_from
            .iter()
            .copied()
            .filter(|other| reach.get(other).is_some_and(|back| back.contains(node)))
            .collect();
        seen.extend(members.iter().copied());
        found.push(members.into_iter().cloned().collect());
    }
    found
}

/// All nodes that can be reached from `start`.
fn reachable_from<'a>(graph: &'a Graph, start: &String) -> BTreeSet<&'a String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&String> = graph.get(start).into_iter().flatten().collect();
    while let Some(node) = open.pop() {
        if found.insert(node) {
            open.extend(graph.get(node).into_iter().flatten());
        }
    }
    found
}
