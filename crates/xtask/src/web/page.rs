//! The page: one style sheet from the sources, one script that starts the application, and the page
//! with the names of this build in place of its marks in double braces.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::assets::{beside, files_below, from_page};

/// The names of this build's files.
pub struct AssetNames {
    /// The style sheet.
    pub style: String,
    /// The module.
    pub wasm: String,
    /// The script that binds it.
    pub app: String,
    /// The script that loads the module's parts.
    pub parts: String,
    /// The terminal, where its packages could be had.
    pub terminal: Option<String>,
}

/// All of `style/`, in the order of the files' names.
///
/// # Errors
/// A file cannot be read.
pub fn style(sources: &Path) -> Result<String> {
    let mut style = String::new();
    for file in files_below(&sources.join("style"))? {
        style.push_str(&read(&file)?);
        style.push('\n');
    }
    Ok(without_comments(&style))
}

/// The script that starts the application. It is a file, because the content security policy
/// forbids scripts in the page.
pub fn start_script(names: &AssetNames) -> String {
    format!(
        "import init from '{}';\ninit({{ module_or_path: new URL('{}', import.meta.url) }});\n",
        beside(&names.app),
        beside(&names.wasm)
    )
}

/// The page with every mark replaced.
///
/// # Errors
/// It cannot be read, or has an unknown mark.
pub fn index(sources: &Path, names: &AssetNames, start: &str) -> Result<String> {
    let page = read(&sources.join("index.html"))?;
    let page = page
        .replace("{{style}}", &from_page(&names.style))
        .replace("{{wasm}}", &from_page(&names.wasm))
        .replace("{{app}}", &from_page(&names.app))
        .replace("{{parts}}", &from_page(&names.parts))
        .replace("{{start}}", &from_page(start))
        .replace(
            "{{terminal}}",
            &names.terminal.as_deref().map(from_page).unwrap_or_default(),
        );
    if let Some(at) = page.find("{{") {
        let mark: String = page[at..].chars().take(20).collect();
        bail!("web-ui/index.html has a mark that the build does not know: {mark}");
    }
    Ok(page)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A style sheet without comments.
fn without_comments(style: &str) -> String {
    let mut rest = style;
    let mut kept = String::with_capacity(style.len());
    while let Some(start) = rest.find("/*") {
        kept.push_str(&rest[..start]);
        rest = rest[start..]
            .split_once("*/")
            .map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    let lines = kept.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_style_sheet_loses_its_comments_and_nothing_else() {
        let style = "/* Why. */\na {\n  color: red; /* warm */\n}\n\n/* cut";
        assert_eq!(without_comments(style), "a {\ncolor: red;\n}");
    }

    #[test]
    fn the_page_names_nothing_from_the_root_of_its_host() {
        let names = AssetNames {
            style: "style-1.css".into(),
            wasm: "app-1.wasm".into(),
            app: "app-2.js".into(),
            parts: "parts-2.js".into(),
            terminal: Some("terminal-3.js".into()),
        };
        let sources = crate::workspace::root().join("web-ui");
        let page = index(&sources, &names, "start-4.js").unwrap();
        for name in ["assets/app-1.wasm", "assets/terminal-3.js", "theme.js"] {
            assert!(page.contains(&format!("\"{name}\"")), "{name}");
        }
        let manifest = read(&sources.join("public/manifest.webmanifest")).unwrap();
        for text in [page, manifest] {
            assert!(!text.contains("\"/"), "{text}");
        }
    }

    #[test]
    fn the_start_script_loads_this_builds_module() {
        let names = AssetNames {
            style: String::new(),
            wasm: "app-1.wasm".into(),
            app: "app-2.js".into(),
            parts: String::new(),
            terminal: None,
        };
        assert_eq!(
            start_script(&names),
            "import init from './app-2.js';\ninit({ module_or_path: new URL('./app-1.wasm', import.meta.url) });\n"
        );
    }
}
