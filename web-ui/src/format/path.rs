//! Paths of files in a container, and what addresses and command lines make of them.

use std::fmt::Write as _;

/// The longest name that Linux takes, in bytes.
const LONGEST_NAME: usize = 255;

/// The path of an entry of a directory.
pub fn join_path(directory: &str, name: &str) -> String {
    format!("{}/{name}", directory.trim_end_matches('/'))
}

/// A directory and those above it, from the root on: the name and the path of each.
pub fn path_steps(directory: &str) -> Vec<(String, String)> {
    let mut steps = vec![("/".to_owned(), "/".to_owned())];
    let mut path = String::new();
    for name in directory.split('/').filter(|name| !name.is_empty()) {
        path = format!("{path}/{name}");
        steps.push((name.to_owned(), path.clone()));
    }
    steps
}

/// Whether a file or directory can have this name.
pub fn is_file_name(name: &str) -> bool {
    let reserved = matches!(name, "" | "." | "..");
    !reserved && name.len() <= LONGEST_NAME && !name.contains(['/', '\0'])
}

/// A text within the query of an address.
pub fn encode_query(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// The command line that downloads a file. The shell that runs it has the token in `TOKEN`.
pub fn curl_download(url: &str, name: &str) -> String {
    let (name, url) = (shell_word(&format!("./{name}")), shell_word(url));
    format!("curl -f -H \"Authorization: Bearer $TOKEN\" -o {name} {url}")
}

fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_a_step_for_each_directory() {
        let steps = |path| {
            let steps = path_steps(path).into_iter();
            steps.map(|(_, path)| path).collect::<Vec<_>>()
        };
        assert_eq!(steps("/"), ["/"]);
        assert_eq!(steps("/srv/my files"), ["/", "/srv", "/srv/my files"]);
        assert_eq!(path_steps("/srv/www")[2].0, "www");
        assert_eq!(join_path("/", "etc"), "/etc");
        assert_eq!(join_path("/etc", "ssh"), "/etc/ssh");
    }

    #[test]
    fn names_that_would_lead_elsewhere_are_refused() {
        for good in ["a", "..a", "my file", "ß", &"x".repeat(255)] {
            assert!(is_file_name(good), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a\0b", &"x".repeat(256)] {
            assert!(!is_file_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_query_has_no_character_with_a_meaning_of_its_own() {
        assert_eq!(
            encode_query("/srv/a b&c=d+e%?#"),
            "/srv/a%20b%26c%3Dd%2Be%25%3F%23"
        );
        assert_eq!(encode_query("ä"), "%C3%A4");
    }

    #[test]
    fn a_name_stays_one_word_of_the_command_line() {
        let command = curl_download("https://api.example/files?path=/a", "it's; rm -rf ~");
        let words = r"-o './it'\''s; rm -rf ~' 'https://api.example/files?path=/a'";
        assert_eq!(
            command,
            format!("curl -f -H \"Authorization: Bearer $TOKEN\" {words}")
        );
    }
}
