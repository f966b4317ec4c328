//! A JSON writer whose buffer is wiped, also when it grows.

use zeroize::Zeroizing;

/// Writes compact JSON; escapes only what RFC 8259 demands.
#[derive(Default)]
pub(crate) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    pub(crate) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }

    /// Appends text that is JSON already.
    pub(crate) fn raw(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if self.0.capacity() - self.0.len() < bytes.len() {
            // A vector that grows by itself would leave the old text behind.
            let room = (self.0.len() + bytes.len()).saturating_mul(2).max(256);
            let mut bigger = Zeroizing::new(Vec::with_capacity(room));
            bigger.extend_from_slice(&self.0);
            self.0 = bigger;
        }
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn string(&mut self, text: &str) {
        self.raw("\"");
        // Most texts need no escape; without an early end the compiler looks at many bytes at once.
        let plain = |plain, byte| plain & (byte >= 0x20) & (byte != b'"') & (byte != b'\\');
        if text.bytes().fold(true, plain) {
            self.raw(text);
            self.raw("\"");
            return;
        }
        let mut from = 0;
        for (at, byte) in text.bytes().enumerate() {
            if byte >= 0x20 && byte != b'"' && byte != b'\\' {
                continue;
            }
            self.raw(&text[from..at]);
            from = at + 1;
            match byte {
                b'"' => self.raw("\\\""),
                b'\\' => self.raw("\\\\"),
                0x08 => self.raw("\\b"),
                0x0c => self.raw("\\f"),
                b'\n' => self.raw("\\n"),
                b'\r' => self.raw("\\r"),
                b'\t' => self.raw("\\t"),
                _ => self.raw(&format!("\\u{byte:04x}")),
            }
        }
        self.raw(&text[from..]);
        self.raw("\"");
    }

    pub(crate) fn strings<'s>(&mut self, items: impl IntoIterator<Item = &'s str>) {
        self.items(items, |out, item| out.string(item));
    }

    pub(crate) fn items<T>(&mut self, items: impl IntoIterator<Item = T>, write: impl Fn(&mut Self, T)) {
        self.raw("[");
        for (at, item) in items.into_iter().enumerate() {
            self.raw(if at == 0 { "" } else { "," });
            write(self, item);
        }
        self.raw("]");
    }

    /// Writes an object with the members that `fill` adds.
    pub(crate) fn object(&mut self, fill: impl FnOnce(&mut Members<'_>)) {
        self.raw("{");
        fill(&mut Members { out: self, first: true });
        self.raw("}");
    }
}

/// The members of an object being written.
pub(crate) struct Members<'w> {
    out: &'w mut Writer,
    first: bool,
}

impl Members<'_> {
    /// Starts a member; the caller writes its value.
    pub(crate) fn name(&mut self, name: &str) -> &mut Writer {
        self.out.raw(if self.first { "" } else { "," });
        self.first = false;
        self.out.string(name);
        self.out.raw(":");
        self.out
    }

    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.name(name).string(text);
    }

    /// Nothing at all for an absent text.
    pub(crate) fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// A value that is JSON already.
    pub(crate) fn json(&mut self, name: &str, json: &str) {
        self.name(name).raw(json);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn strings_are_written_as_serde_json_writes_them(text in any::<String>(), low in "[\\x00-\\x7f]{0,20}") {
            for text in [text, low] {
                let mut out = Writer::default();
                out.string(&text);
                prop_assert_eq!(out.finish().to_vec(), serde_json::to_vec(&text).unwrap());
            }
        }
    }
}
