//! As much of Rust's grammar as the rules about source need: words and marks without comments and texts, and
//! the paths that start at the crate or at a parent module.

/// A word (identifier, keyword, number), `::`, or any other mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    Word(&'a str),
    Path,
    Mark(char),
}

/// A token and the line it stands on, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot<'a> {
    pub(crate) line: usize,
    pub(crate) token: Token<'a>,
}

/// A path that leaves its place through `crate`, `self` or `super`, with groups spread out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference<'a> {
    pub(crate) line: usize,
    /// The segments as written; a glob ends in `*`.
    pub(crate) path: Vec<&'a str>,
    /// The name behind `as`.
    pub(crate) alias: Option<&'a str>,
    /// Inline modules of the file around it, outermost first.
    pub(crate) inside: Vec<&'a str>,
}

/// The tokens of a file.
pub(crate) fn tokens(text: &str) -> Vec<Spot<'_>> {
    let bytes = text.as_bytes();
    let mut spots = Vec::new();
    let mut line = 1;
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        let first = rest.chars().next().unwrap_or('\0');
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = quoted(rest) {
            length
        } else if first == '_' || first.is_alphanumeric() {
            let raw = if rest.starts_with("r#") { 2 } else { 0 };
            let word =
                rest[raw..].find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len() - raw);
            spots.push(Spot { line, token: Token::Word(&rest[raw..raw + word]) });
            raw + word
        } else if rest.starts_with("::") {
            spots.push(Spot { line, token: Token::Path });
            2
        } else {
            if !first.is_whitespace() {
                spots.push(Spot { line, token: Token::Mark(first) });
            }
            first.len_utf8()
        };
        line += rest[..length].matches('\n').count();
        at += length;
    }
    spots
}

/// The tokens without items that only tests see: `#[cfg(test)]`, or `all(test, ..)` in it.
pub(crate) fn without_tests<'a>(spots: &[Spot<'a>]) -> Vec<Spot<'a>> {
    let mut kept = Vec::with_capacity(spots.len());
    let mut at = 0;
    while at < spots.len() {
        if is_test_attribute(&spots[at..], &[Token::Mark('#'), Token::Mark('!')]) {
            return Vec::new();
        }
        if is_test_attribute(&spots[at..], &[Token::Mark('#')]) {
            at += item(&spots[at..]);
        } else {
            kept.push(spots[at]);
            at += 1;
        }
    }
    kept
}

/// Every path of the file that starts with `crate`, `self` or `super`, and in `use` also with another name.
pub(crate) fn references<'a>(spots: &[Spot<'a>]) -> Vec<Reference<'a>> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut modules: Vec<(usize, &str)> = Vec::new();
    let mut at = 0;
    while at < spots.len() {
        let before = at.checked_sub(1).map(|n| spots[n].token);
        match spots[at].token {
            Token::Mark('{') => depth += 1,
            Token::Mark('}') => {
                depth = depth.saturating_sub(1);
                modules.retain(|(start, _)| *start <= depth);
            }
            Token::Word("mod") => {
                if let [Spot { token: Token::Word(name), .. }, Spot { token: Token::Mark('{'), .. }, ..] =
                    spots[at + 1..]
                {
                    modules.push((depth + 1, name));
                }
            }
            Token::Word(word) if before != Some(Token::Path) => {
                let leads = matches!(word, "crate" | "self" | "super")
                    && spots.get(at + 1).is_some_and(|next| next.token == Token::Path);
                if leads || before == Some(Token::Word("use")) {
                    let inside: Vec<&str> = modules.iter().map(|(_, name)| *name).collect();
                    at += tree(&spots[at..], &[], &inside, &mut found);
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Reads a path or use tree; returns how many tokens it has.
fn tree<'a>(
    spots: &[Spot<'a>],
    prefix: &[&'a str],
    inside: &[&'a str],
    found: &mut Vec<Reference<'a>>,
) -> usize {
    let mut path = prefix.to_vec();
    let mut line = spots.first().map_or(0, |spot| spot.line);
    let mut alias = None;
    let mut at = 0;
    while at < spots.len() {
        match spots[at].token {
            Token::Word(word) => {
                path.push(word);
                line = spots[at].line;
                at += 1;
                match spots.get(at).map(|next| next.token) {
                    Some(Token::Path) => at += 1,
                    Some(Token::Word("as")) => {
                        if let Some(Spot { token: Token::Word(name), .. }) = spots.get(at + 1) {
                            alias = Some(*name);
                        }
                        at += 2;
                        break;
                    }
                    _ => break,
                }
            }
            Token::Mark('*') => {
                path.push("*");
                at += 1;
                break;
            }
            Token::Mark('{') => {
                at += 1;
                while at < spots.len() && spots[at].token != Token::Mark('}') {
                    let length = if spots[at].token == Token::Mark(',') {
                        1
                    } else {
                        tree(&spots[at..], &path, inside, found).max(1)
                    };
                    at += length;
                }
                return at + 1;
            }
            // `crate::model::<..>` and what else cannot go on.
            _ => break,
        }
    }
    found.push(Reference { line, path, alias, inside: inside.to_vec() });
    at
}

/// True if an attribute starts here that lets only tests through.
fn is_test_attribute(spots: &[Spot<'_>], opening: &[Token<'_>]) -> bool {
    let mut wanted = opening.to_vec();
    wanted.extend([Token::Mark('['), Token::Word("cfg"), Token::Mark('(')]);
    let starts = |wanted: &[Token<'_>]| {
        spots.len() >= wanted.len() && spots.iter().zip(wanted).all(|(spot, token)| spot.token == *token)
    };
    let all = [wanted.as_slice(), &[Token::Word("all"), Token::Mark('('), Token::Word("test")]].concat();
    wanted.extend([Token::Word("test"), Token::Mark(')')]);
    starts(&wanted) || starts(&all)
}

/// How many tokens the item has that starts here with its attributes.
fn item(spots: &[Spot<'_>]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < spots.len() {
        match spots[at].token {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(mark @ (')' | ']' | '}')) => {
                if depth == 0 {
                    return at;
                }
                depth -= 1;
                if depth == 0 && mark == '}' {
                    return at + 1;
                }
            }
            Token::Mark(';') if depth == 0 => return at + 1,
            _ => {}
        }
        at += 1;
    }
    at
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        match text.as_bytes()[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                at += 2;
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

/// The length of the text, byte text or character that starts here, if one does.
fn quoted(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c"].into_iter().find(|p| {
        text.strip_prefix(p).is_some_and(|rest| {
            let rest = if p.ends_with('r') { rest.trim_start_matches('#') } else { rest };
            rest.starts_with('"') || (*p == "b" && rest.starts_with('\''))
        })
    });
    let (raw, start) = prefix.map_or((false, 0), |p| (p.ends_with('r'), p.len()));
    let body = &text[start..];
    if raw {
        let hashes = body.len() - body.trim_start_matches('#').len();
        let end = format!("\"{}", "#".repeat(hashes));
        let from = hashes + 1;
        let length = body[from..].find(&end).map_or(body.len(), |n| from + n + end.len());
        return Some(start + length);
    }
    match body.chars().next()? {
        '"' => Some(start + escaped_end(body, '"')),
        '\'' => {
            let mut characters = body[1..].chars();
            let inner = characters.next()?;
            // A lifetime has no closing quote behind its first character.
            (inner == '\\' || characters.next() == Some('\'')).then(|| start + escaped_end(body, '\''))
        }
        _ => None,
    }
}

/// The length up to the closing `quote`, which a backslash can hide.
fn escaped_end(text: &str, quote: char) -> usize {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        if c == '\\' {
            characters.next();
        } else if c == quote {
            return at + c.len_utf8();
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(usize, &str)> {
        tokens(text)
            .into_iter()
            .filter_map(|spot| match spot.token {
                Token::Word(word) => Some((spot.line, word)),
                _ => None,
            })
            .collect()
    }

    fn paths(text: &str) -> Vec<String> {
        references(&without_tests(&tokens(text))).iter().map(|found| found.path.join("::")).collect()
    }

    #[test]
    fn comments_and_texts_are_no_words() {
        let text = "a // b\n/* c /* d */ e */ f \"g\\\" h\" r#\"i \" j\"# b'\\'' 'k' '\\n' &'l m r#n b\"o\" c\"p\"\nq";
        assert_eq!(words(text), [(1, "a"), (2, "f"), (2, "l"), (2, "m"), (2, "n"), (3, "q")]);
        assert_eq!(words("/// crate::doc\n\"two\nlines\" end"), [(3, "end")]);
    }

    #[test]
    fn groups_are_spread_out() {
        assert_eq!(
            paths("use crate::{error::{Error, self}, model::*, phi::Phi as P,};"),
            ["crate::error::Error", "crate::error::self", "crate::model::*", "crate::phi::Phi"]
        );
        assert_eq!(
            paths("fn f(x: crate::model::Id) { super::super::env::now::<T>() }"),
            ["crate::model::Id", "super::super::env::now"]
        );
        assert_eq!(
            paths("pub(crate) fn f(&self) { self.x; Self::y(); $crate::error::fail!() }"),
            ["crate::error::fail"]
        );
    }

    #[test]
    fn inline_modules_are_known() {
        let text = "mod a { mod b { use super::super::x; } use super::y; } use super::z;";
        let inside: Vec<usize> = references(&tokens(text)).iter().map(|found| found.inside.len()).collect();
        assert_eq!(inside, [2, 1, 0]);
    }

    #[test]
    fn test_code_is_left_out() {
        assert_eq!(
            paths(
                "#[cfg(test)] use crate::a::A; #[cfg(test)] #[expect(x)] fn f() -> [u8; 2] { crate::b::c() }
                 #[cfg(all(test, feature = \"x\"))] mod tests { use crate::c::C; }
                 #[cfg(any(test, feature = \"y\"))] mod kept { use crate::d::D; } #[cfg(test)] mod tests;
                 use crate::e::E;"
            ),
            ["crate::d::D", "crate::e::E"]
        );
        assert!(paths("#![cfg(test)] use crate::a::A;").is_empty());
    }
}
