//! One source file: what it defines, what it imports, and each path that it names.

use std::collections::{BTreeMap, BTreeSet};

use syn::{
    Attribute, Item, Meta, UseTree,
    visit::{self, Visit},
};

/// A path as it is written, by segments.
pub type Segments = Vec<String>;

/// What is read from a file. Inline modules count as a part of it.
#[derive(Default)]
pub struct SourceFile {
    /// Names of items.
    pub defines: BTreeSet<String>,
    /// Each imported name with its path.
    pub uses: BTreeMap<String, Segments>,
    /// Modules whose names are all imported.
    pub globs: Vec<Segments>,
    /// Paths in code, macros included.
    pub names: BTreeSet<Segments>,
}

impl SourceFile {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// It is not Rust.
    pub fn read(text: &str) -> syn::Result<Self> {
        let mut source = Self::default();
        source.visit_file(&syn::parse_file(text)?);
        Ok(source)
    }

    fn import(&mut self, tree: &UseTree, before: &[String]) {
        let path = |name: &str| [before, &[name.to_owned()]].concat();
        match tree {
            UseTree::Path(part) => self.import(&part.tree, &path(&part.ident.to_string())),
            UseTree::Group(group) => group
                .items
                .iter()
                .for_each(|item| self.import(item, before)),
            UseTree::Glob(_) => self.globs.push(before.to_vec()),
            UseTree::Name(name) if name.ident == "self" => {
                if let Some(module) = before.last() {
                    self.uses.insert(module.clone(), before.to_vec());
                }
            }
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                self.uses.insert(name.clone(), path(&name));
            }
            UseTree::Rename(renamed) => {
                let name = renamed.ident.to_string();
                let path = if name == "self" {
                    before.to_vec()
                } else {
                    path(&name)
                };
                self.uses.insert(renamed.rename.to_string(), path);
            }
        }
    }

    /// Paths in the tokens of a macro's call, which are not parsed.
    fn tokens(&mut self, tokens: proc_macro2::TokenStream) {
        use proc_macro2::TokenTree;
        let mut path: Segments = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.name(std::mem::take(&mut path));
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(sign) if sign.as_char() == ':' && !path.is_empty() => colons += 1,
                TokenTree::Group(group) => {
                    self.name(std::mem::take(&mut path));
                    self.tokens(group.stream());
                }
                _ => self.name(std::mem::take(&mut path)),
            }
        }
        self.name(path);
    }

    fn name(&mut self, path: Segments) {
        if !path.is_empty() {
            self.names.insert(path);
        }
    }
}

impl<'a> Visit<'a> for SourceFile {
    fn visit_item(&mut self, item: &'a Item) {
        let (attributes, name) = match item {
            Item::Const(item) => (&item.attrs, Some(&item.ident)),
            Item::Enum(item) => (&item.attrs, Some(&item.ident)),
            Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
            Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
            Item::Mod(item) => (&item.attrs, item.content.is_some().then_some(&item.ident)),
            Item::Static(item) => (&item.attrs, Some(&item.ident)),
            Item::Struct(item) => (&item.attrs, Some(&item.ident)),
            Item::Trait(item) => (&item.attrs, Some(&item.ident)),
            Item::Type(item) => (&item.attrs, Some(&item.ident)),
            Item::Union(item) => (&item.attrs, Some(&item.ident)),
            Item::Impl(item) => (&item.attrs, None),
            Item::Use(item) => (&item.attrs, None),
            _ => {
                visit::visit_item(self, item);
                return;
            }
        };
        if attributes.iter().any(is_for_tests) {
            return;
        }
        self.defines.extend(name.map(ToString::to_string));
        visit::visit_item(self, item);
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        self.import(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let segments = path.segments.iter();
        self.name(segments.map(|part| part.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'a syn::Macro) {
        self.visit_path(&called.path);
        self.tokens(called.tokens.clone());
    }
}

/// Whether what bears the attribute is compiled for tests only.
pub fn is_for_tests(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else {
        return attribute.path().is_ident("test");
    };
    list.path.is_ident("cfg") && list.tokens.to_string() == "test"
}
