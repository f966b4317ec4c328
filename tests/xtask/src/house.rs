//! Rules of the house that need nothing but the text of the files.

use crate::source::{Token, tokens};

/// The most lines a source file of the engine may have.
pub(crate) const LONGEST: usize = 500;

/// Top folders of somebody's machine. A path below one of them works nowhere else.
const MACHINE_FOLDERS: &[&str] = &["work", "root", "home"];

/// The fault of a file that has grown too long.
pub(crate) fn too_long(text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > LONGEST).then(|| format!("{lines} lines, more than {LONGEST}"))
}

/// The lines that hold unsafe code.
pub(crate) fn unsafe_lines(text: &str) -> Vec<usize> {
    let mut lines: Vec<usize> = tokens(text)
        .iter()
        .filter(|spot| spot.token == Token::Word("unsafe"))
        .map(|spot| spot.line)
        .collect();
    lines.dedup();
    lines
}

/// The lines that hold an absolute path of somebody's machine.
pub(crate) fn machine_path_lines(text: &str) -> Vec<usize> {
    let folders: Vec<String> = MACHINE_FOLDERS.iter().map(|name| format!("/{name}/")).collect();
    text.lines()
        .enumerate()
        .filter(|(_, line)| folders.iter().any(|folder| holds_absolute(line, folder)))
        .map(|(index, _)| index + 1)
        .collect()
}

/// True if `folder` stands in the line where a path starts, not inside a longer path or address.
fn holds_absolute(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        line[..at]
            .chars()
            .next_back()
            .is_none_or(|before| !before.is_alphanumeric() && !"._-~$*})>]%".contains(before))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_are_found() {
        assert_eq!(too_long(&"x\n".repeat(LONGEST)), None);
        assert_eq!(too_long(&"x\n".repeat(LONGEST + 1)).as_deref(), Some("501 lines, more than 500"));
    }

    #[test]
    fn unsafe_code_is_found_and_talk_of_it_is_not() {
        assert_eq!(
            unsafe_lines("// unsafe\nunsafe { unsafe_code(\"unsafe\") }\n#[unsafe(no_mangle)]"),
            [2, 3]
        );
        assert_eq!(unsafe_lines("#![forbid(unsafe_code)]"), [0; 0]);
    }

    #[test]
    fn machine_paths_are_found_and_addresses_are_not() {
        for folder in MACHINE_FOLDERS {
            for before in ["", "\"", "cd ", "=", "file://", "("] {
                assert_eq!(machine_path_lines(&format!("x\n{before}/{folder}/a")), [2], "{before}{folder}");
            }
            for before in ["https://example.org", ".", "src", "${root}", "~"] {
                assert_eq!(machine_path_lines(&format!("{before}/{folder}/a")), [0; 0], "{before}{folder}");
            }
        }
    }
}
