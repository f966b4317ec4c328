use proptest::prelude::*;

use super::*;

fn sorted(text: &str) -> Result<String, Rule> {
    let mut out = Writer::default();
    parse(text.as_bytes())?.write_sorted(&mut out, 64)?;
    Ok(String::from_utf8(out.finish().to_vec()).unwrap())
}

#[test]
fn free_json_is_sorted_by_bytes_and_numbers_keep_their_text() {
    assert_eq!(
        sorted(r#" {"b" : [1.50, -0, 1E2, 12345678901234567890123], "a":{"é":null,"z":true}} "#).unwrap(),
        r#"{"a":{"z":true,"é":null},"b":[1.50,-0,1E2,12345678901234567890123]}"#
    );
    assert_eq!(sorted(r#""\u00e9\/\ud83d\ude00\u0001\n""#).unwrap(), "\"é/😀\\u0001\\n\"");
    assert_eq!(sorted(r#"{"a":1,"\u0061":2}"#), Err(Rule::Duplicate));
    assert_eq!(sorted(&format!("{}{}", "[".repeat(64), "]".repeat(64))).map(|_| ()), Ok(()));
    assert_eq!(sorted(&format!("{}{}", "[".repeat(65), "]".repeat(65))), Err(Rule::Format));
}

#[test]
fn what_is_not_json_is_refused() {
    for bad in [
        "",
        " ",
        "nul",
        "nulll",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "1e999",
        "NaN",
        "'a'",
        "\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"\\u00e\"",
        "\"\t\"",
        "\"\tn\"",
        "[1,]",
        "[,]",
        "[1 2]",
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "[1]x",
        "\u{feff}[]",
        "// a\n1",
        "\u{a0}1",
    ] {
        assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        assert!(serde_json::from_str::<serde_json::Value>(bad).is_err(), "{bad}");
    }
    assert_eq!(parse(b"\"\xff\"").err(), Some(Rule::Utf8));
    for (depth, good) in [(127, true), (128, false), (100_000, false)] {
        let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(parse(text.as_bytes()).is_ok(), good, "{depth}");
    }
}

/// Text that is nearly JSON: pieces of it, in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\\",
            "\\u",
            "\\ud83d",
            "\\ude00",
            "null",
            "true",
            "false",
            "0",
            "-1",
            "1.5",
            "1e5",
            "e",
            ".",
            " ",
            "\n",
            "\t",
            "\"a\"",
            "\"a\":",
            "é",
            "\u{0}",
            "{}",
            "[]",
            "{\"a\":1}",
            "1e400",
            "00",
        ])
        .prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn tree() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn it_accepts_what_serde_json_accepts(text in pieces()) {
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        prop_assert_eq!(parse(text.as_bytes()).is_ok(), theirs.is_ok(), "{}", text);
    }

    #[test]
    fn it_reads_what_serde_json_reads(value in tree()) {
        let ours = sorted(&value.to_string()).unwrap();
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&ours).unwrap(), value);
        prop_assert_eq!(sorted(&ours).unwrap(), ours);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }
}
