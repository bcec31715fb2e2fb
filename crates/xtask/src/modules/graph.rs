//! Loops in a graph of imports.

use std::collections::{BTreeMap, BTreeSet};

use super::{Imports, Loop};

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Loops of files.
pub fn cycles(imports: &Imports) -> Vec<Loop> {
    let graph = imports
        .iter()
        .map(|(file, imported)| (file.clone(), imported.keys().cloned().collect()))
        .collect();
    let loops = loops_of(&graph).into_iter();
    loops
        .map(|members| told(imports, members, |file| file.to_owned()))
        .collect()
}

/// Loops of folders, or of folders and files beside them, that are more than the loops of files. `a.rs` is a part of
/// the folder `a`; the folder's own file, which knows what is in it, is none of its members.
pub fn upward(imports: &Imports) -> Vec<Loop> {
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
        for members in loops_of(&graph) {
            found.push(told(imports, members, |file| {
                member(file).unwrap_or_default()
            }));
        }
    }
    found.retain(|found| found.members.iter().any(|member| is_folder(&files, member)));
    found
}

/// Whether there are files in it, and not only one of its name.
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

fn told(imports: &Imports, members: Vec<String>, member: impl Fn(&str) -> String) -> Loop {
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
    Loop {
        members,
        imports: lines,
    }
}

/// Sets of nodes that reach each other.
fn loops_of(graph: &Graph) -> Vec<Vec<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> = graph
        .keys()
        .map(|node| (node, reached(graph, node)))
        .collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for (node, reached) in &reach {
        if !reached.contains(node) || seen.contains(node) {
            continue;
        }
        let members: Vec<&String> = reached
            .iter()
            .copied()
            .filter(|other| reach.get(other).is_some_and(|back| back.contains(node)))
            .collect();
        seen.extend(members.iter().copied());
        found.push(members.into_iter().cloned().collect());
    }
    found
}

/// All nodes to which a way leads from `start`.
fn reached<'a>(graph: &'a Graph, start: &String) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&String> = graph.get(start).into_iter().flatten().collect();
    while let Some(node) = open.pop() {
        if reached.insert(node) {
            open.extend(graph.get(node).into_iter().flatten());
        }
    }
    reached
}
