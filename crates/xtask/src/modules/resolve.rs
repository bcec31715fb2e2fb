//! A package's modules, and which file defines what a path names.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::{
    FileImports,
    source::{Segments, SourceFile},
};

/// Re-exports that are followed from one name, at most.
const RE_EXPORTS: usize = 8;

/// A library or program: its modules by path, the root's being empty.
pub struct Package(BTreeMap<Segments, Module>);

struct Module {
    /// Relative to the workspace.
    file: String,
    source: SourceFile,
}

/// What a path names.
enum ResolvedPath<'a> {
    Item(&'a Module, &'a str),
    Module(Segments),
}

impl Package {
    /// Reads the modules below `sources`, which is relative to `root`. The modules of a program
    /// beside a library, and those of tests, are left out.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn read(root: &Path, sources: &Path) -> Result<Self> {
        let mut package = Self(BTreeMap::new());
        let top = root.join(sources);
        let main = if top.join("lib.rs").exists() {
            "lib.rs"
        } else {
            "main.rs"
        };
        package.add(root, &sources.join(main), Vec::new())?;
        Ok(package)
    }

    fn add(&mut self, root: &Path, file: &Path, module: Segments) -> Result<()> {
        let shown = file.display().to_string();
        let text =
            fs::read_to_string(root.join(file)).with_context(|| format!("cannot read {shown}"))?;
        let source = SourceFile::read(&text).with_context(|| format!("cannot parse {shown}"))?;
        let folder = folder_of(file);
        for child in children(&text)? {
            let candidates = [
                folder.join(format!("{child}.rs")),
                folder.join(&child).join("mod.rs"),
            ];
            if let Some(found) = candidates.iter().find(|file| root.join(file).exists()) {
                self.add(root, found, [&module[..], &[child]].concat())?;
            }
        }
        self.0.insert(
            module,
            Module {
                file: shown,
                source,
            },
        );
        Ok(())
    }

    /// The names that each file imports from each other file.
    pub fn imports(&self) -> FileImports {
        let mut imports = FileImports::new();
        for (path, module) in &self.0 {
            let source = &module.source;
            let names = source.names.iter().chain(source.uses.values());
            for name in names.chain(&source.globs) {
                let Some(ResolvedPath::Item(definer, item)) = self.find(path, name, RE_EXPORTS)
                else {
                    continue;
                };
                if definer.file != module.file && !is_in_family(&module.file, &definer.file) {
                    let from = imports.entry(module.file.clone()).or_default();
                    let names = from.entry(definer.file.clone()).or_default();
                    names.insert(item.to_owned());
                }
            }
        }
        imports
    }

    /// What `path` names in the module `from`; `None` for other packages' items and for local
    /// names.
    fn find<'a>(
        &'a self,
        from: &Segments,
        path: &'a [String],
        left: usize,
    ) -> Option<ResolvedPath<'a>> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.walk(Vec::new(), rest, left),
            "self" => self.walk(from.clone(), rest, left),
            "super" => self.walk(from.split_last()?.1.to_vec(), rest, left),
            _ => self.walk_from(from, path, left),
        }
    }

    /// Follows a path that begins with a name that is known in the module itself.
    fn walk_from<'a>(
        &'a self,
        from: &Segments,
        path: &'a [String],
        left: usize,
    ) -> Option<ResolvedPath<'a>> {
        let first = &path[0];
        let imported = self.0.get(from)?.source.uses.get(first);
        let child = [&from[..], std::slice::from_ref(first)].concat();
        if imported.is_none() && !self.0.contains_key(&child) {
            return None;
        }
        // A name that imports itself is another package's, or a child module.
        if imported.is_some_and(|target| target.first() == Some(first))
            && !self.0.contains_key(&child)
        {
            return None;
        }
        self.walk(from.clone(), path, left)
    }

    fn walk<'a>(
        &'a self,
        mut at: Segments,
        path: &'a [String],
        left: usize,
    ) -> Option<ResolvedPath<'a>> {
        for (number, name) in path.iter().enumerate() {
            if name == "super" {
                at.pop()?;
                continue;
            }
            let child = [&at[..], std::slice::from_ref(name)].concat();
            if self.0.contains_key(&child) {
                at = child;
                continue;
            }
            let module = self.0.get(&at)?;
            if module.source.defines.contains(name) {
                return Some(ResolvedPath::Item(module, name));
            }
            let left = left.checked_sub(1)?;
            if let Some(target) = module.source.uses.get(name) {
                return match self.find(&at, target, left)? {
                    ResolvedPath::Module(module) => self.walk(module, &path[number + 1..], left),
                    item @ ResolvedPath::Item(..) => Some(item),
                };
            }
            let globs = module.source.globs.iter();
            return globs
                .filter_map(|glob| match self.find(&at, glob, left)? {
                    ResolvedPath::Module(module) if module != at => {
                        self.walk(module, &path[number..], left)
                    }
                    _ => None,
                })
                .next();
        }
        Some(ResolvedPath::Module(at))
    }
}

/// Whether the modules of `file` are declared in `parent`, or below what is declared there.
fn is_in_family(parent: &str, file: &str) -> bool {
    Path::new(file).starts_with(folder_of(Path::new(parent)))
}

/// The folder of the modules that a file declares.
fn folder_of(file: &Path) -> PathBuf {
    match file.file_stem().and_then(|stem| stem.to_str()) {
        Some("lib" | "main" | "mod") | None => file.parent().unwrap_or(Path::new("")).to_owned(),
        Some(_) => file.with_extension(""),
    }
}

/// Modules that a file declares and that are in files of their own; those for tests are left out.
fn children(text: &str) -> Result<Vec<String>> {
    let items = syn::parse_file(text)?.items;
    let modules = items.into_iter().filter_map(|item| match item {
        syn::Item::Mod(module) if module.content.is_none() => Some(module),
        _ => None,
    });
    let modules = modules.filter(|module| !module.attrs.iter().any(super::source::is_for_tests));
    Ok(modules.map(|module| module.ident.to_string()).collect())
}
