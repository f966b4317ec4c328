//! A strict JSON reader (RFC 8259).
//!
//! Why not `serde_json`'s value: it merges members that stand twice, its numbers depend on features that any
//! other crate in the host can switch on, and it leaves copies of PHI behind. This one keeps members in order
//! and twice, keeps the text of numbers, borrows from the input and wipes what it had to copy. A property test
//! holds it to accept exactly what `serde_json` accepts.

use std::ops::Deref;

use zeroize::Zeroizing;

use super::write::Writer;
use crate::error::Rule;

/// A JSON value that borrows from its text.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    /// The number as written; finite as a double.
    Number(&'a str),
    String(Text<'a>),
    Array(Vec<Value<'a>>),
    /// Members in order, those that stand twice twice.
    Object(Vec<(Text<'a>, Value<'a>)>),
}

/// A string: borrowed, or decoded from escapes and wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Text<'a> {
    Borrowed(&'a str),
    Decoded(Zeroizing<String>),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Decoded(text) => text,
        }
    }
}

/// Reads one JSON value, nested less than 128 deep, with nothing behind it.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value<'_>, Rule> {
    let text = std::str::from_utf8(bytes).map_err(|_| Rule::Utf8)?;
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(DEPTH).ok_or(Rule::Format)?;
    reader.blanks();
    if reader.at == text.len() { Ok(value) } else { Err(Rule::Format) }
}

impl Value<'_> {
    /// Writes the value compactly with members sorted by bytes, nested at most `depth` deep.
    pub(crate) fn write_sorted(&self, out: &mut Writer, depth: usize) -> Result<(), Rule> {
        match self {
            Self::Null => out.raw("null"),
            Self::Bool(true) => out.raw("true"),
            Self::Bool(false) => out.raw("false"),
            Self::Number(text) => out.raw(text),
            Self::String(text) => out.string(text),
            Self::Array(items) => {
                let depth = depth.checked_sub(1).ok_or(Rule::Format)?;
                out.raw("[");
                for (at, item) in items.iter().enumerate() {
                    out.raw(if at == 0 { "" } else { "," });
                    item.write_sorted(out, depth)?;
                }
                out.raw("]");
            }
            Self::Object(members) => {
                let depth = depth.checked_sub(1).ok_or(Rule::Format)?;
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_by(|(a, _), (b, _)| a.as_bytes().cmp(b.as_bytes()));
                if sorted.windows(2).any(|pair| *pair[0].0 == *pair[1].0) {
                    return Err(Rule::Duplicate);
                }
                out.raw("{");
                for (at, (name, value)) in sorted.into_iter().enumerate() {
                    out.raw(if at == 0 { "" } else { "," });
                    out.string(name);
                    out.raw(":");
                    value.write_sorted(out, depth)?;
                }
                out.raw("}");
            }
        }
        Ok(())
    }
}

/// As deep as `serde_json` goes, so that what is read here can be read there.
const DEPTH: usize = 128;

/// Every method answers `None` for what is not JSON and leaves `at` on a character boundary.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Option<Value<'a>> {
        self.blanks();
        match self.peek()? {
            b'n' => self.word("null", Value::Null),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'"' => self.string().map(Value::String),
            b'[' => self.array(depth.checked_sub(1).filter(|left| *left > 0)?),
            b'{' => self.object(depth.checked_sub(1).filter(|left| *left > 0)?),
            _ => self.number(),
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value<'a>> {
        self.at += 1;
        let mut items = Vec::new();
        self.blanks();
        if self.take(b']') {
            return Some(Value::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.blanks();
            if self.take(b']') {
                return Some(Value::Array(items));
            }
            self.expect(b',')?;
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value<'a>> {
        self.at += 1;
        let mut members = Vec::new();
        self.blanks();
        if self.take(b'}') {
            return Some(Value::Object(members));
        }
        loop {
            self.blanks();
            let name = self.string()?;
            self.blanks();
            self.expect(b':')?;
            members.push((name, self.value(depth)?));
            self.blanks();
            if self.take(b'}') {
                return Some(Value::Object(members));
            }
            self.expect(b',')?;
        }
    }

    fn string(&mut self) -> Option<Text<'a>> {
        self.expect(b'"')?;
        let start = self.at;
        match self.plain()? {
            b'"' => {
                let text = &self.text[start..self.at];
                self.at += 1;
                Some(Text::Borrowed(text))
            }
            _ => self.decoded(start).map(Text::Decoded),
        }
    }

    /// The rest of a string that started at `start` and has an escape at `at`.
    fn decoded(&mut self, mut start: usize) -> Option<Zeroizing<String>> {
        // The decoded text is never longer than what is left, so it does not move and leave a copy behind.
        let longest = self.at - start + end_of_string(&self.text.as_bytes()[self.at..]);
        let mut text = Zeroizing::new(String::with_capacity(longest));
        loop {
            let stop = self.plain()?;
            text.push_str(&self.text[start..self.at]);
            self.at += 1;
            if stop == b'"' {
                return Some(text);
            }
            text.push(self.escape()?);
            start = self.at;
        }
    }

    /// Goes to the next quote or backslash; a control character in between is not JSON.
    fn plain(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20))?;
        self.at += length;
        Some(rest[length]).filter(|stop| *stop >= 0x20)
    }

    /// The character of an escape, after the backslash.
    fn escape(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += 1;
        Some(match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex()?;
                match unit {
                    0xD800..0xDC00 => {
                        // A high surrogate has a low one behind it, else it is no character.
                        self.expect(b'\\')?;
                        self.expect(b'u')?;
                        let low = self.hex().filter(|low| (0xDC00..0xE000).contains(low))?;
                        char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))?
                    }
                    _ => char::from_u32(unit)?,
                }
            }
            _ => return None,
        })
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4)?;
        let unit = digits.iter().try_fold(0, |sum, b| Some(sum * 16 + char::from(*b).to_digit(16)?))?;
        self.at += 4;
        Some(unit)
    }

    fn number(&mut self) -> Option<Value<'a>> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        // A number that no common reader can hold would make every view with it unreadable.
        text.parse::<f64>().is_ok_and(f64::is_finite).then_some(Value::Number(text))
    }

    fn digits(&mut self) -> Option<()> {
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        self.at += length;
        (length > 0).then_some(())
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Option<Value<'a>> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return None;
        }
        self.at += word.len();
        Some(value)
    }

    fn blanks(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')).count();
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let here = self.peek() == Some(byte);
        self.at += usize::from(here);
        here
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }
}

/// Bytes up to the quote that ends a string, or to the end of the text.
fn end_of_string(rest: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests;
