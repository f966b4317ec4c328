//! What `include/medorder.h` declares, and the programs that are made of it: one that gives NULL for each pointer of
//! each function, and one that stands for the library's interface where it is compared with the committed one.

use std::fmt::Write;

/// A function of the header.
pub(super) struct Function {
    pub(super) answers: String,
    pub(super) name: String,
    arguments: Vec<Argument>,
}

struct Argument {
    /// As it is declared.
    text: String,
    name: String,
    pointer: bool,
}

impl Argument {
    /// The place for the error of a call, which every function allows to be NULL.
    fn is_error(&self) -> bool {
        self.text.starts_with("medorder_error **")
    }
}

/// Where NULL is allowed, by the header's own words.
const OPTIONAL: &[(&str, &str)] = &[
    ("", "length"),
    ("", "user_data"),
    ("", "destroy"),
    ("", "progress"),
    ("medorder_set_logger", "callback"),
    ("medorder_open", "options"),
    ("medorder_get_order", "fields"),
    ("medorder_draft_insurance", "group_number"),
    ("medorder_subscribe", "order_id"),
    ("medorder_subscribe", "since"),
    ("medorder_listen", "order_id"),
    ("medorder_listen", "since"),
];

/// The functions, in the order of the header.
pub(super) fn functions(header: &str) -> Vec<Function> {
    let mut functions = Vec::new();
    let mut lines = header.lines();
    while let Some(line) = lines.next() {
        let starts = ["int32_t ", "uint32_t ", "size_t ", "void ", "const char *"];
        let Some(answers) = starts.iter().find(|start| line.starts_with(**start)) else { continue };
        let mut text = line.to_owned();
        while !text.ends_with(");") {
            let Some(line) = lines.next() else { break };
            text.push(' ');
            text.push_str(line.trim());
        }
        let rest = text[answers.len()..].trim_end_matches(");");
        let Some((name, arguments)) = rest.split_once('(') else { continue };
        let arguments = if arguments == "void" { Vec::new() } else { split(arguments) };
        functions.push(Function {
            answers: answers.trim_end().to_owned(),
            name: name.to_owned(),
            arguments: arguments.into_iter().map(argument).collect(),
        });
    }
    functions
}

/// At the commas that stand in no brackets.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for letter in text.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if letter == ',' && depth == 0 {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
    }
    parts.iter().map(|part| part.trim().to_owned()).collect()
}

fn argument(text: String) -> Argument {
    let of_function = text.split_once("(*").and_then(|(_, rest)| rest.split_once(')')).map(|(name, _)| name);
    let name = of_function.unwrap_or_else(|| text.rsplit([' ', '*']).next().unwrap_or_default()).to_owned();
    Argument { pointer: text.contains('*'), name, text }
}

/// A program that calls each function once for each of its pointers with NULL there, and with what is valid elsewhere.
pub(super) fn null_program(functions: &[Function]) -> String {
    let mut body = String::new();
    for function in functions {
        for (at, argument) in function.arguments.iter().enumerate().filter(|(_, argument)| argument.pointer) {
            let optional = argument.is_error()
                || OPTIONAL
                    .iter()
                    .any(|(of, name)| *name == argument.name && (of.is_empty() || *of == function.name));
            if optional {
                continue;
            }
            let values: Vec<String> = function
                .arguments
                .iter()
                .enumerate()
                .map(|(n, other)| value(function, other, n == at, n > 0 && n == at + 1))
                .collect();
            let call = format!("{}({})", function.name, values.join(", "));
            let place = format!("\"{}\", \"{}\"", function.name, argument.name);
            let told = function.arguments.iter().any(Argument::is_error);
            let line = match function.answers.as_str() {
                "void" => format!("{call}; passed({place});"),
                "const char *" => format!("judge({call} != NULL, {place});"),
                "size_t" => format!("judge({call} == 0, {place});"),
                _ if function.name == "medorder_error_code" => {
                    format!("judge({call} == MEDORDER_OK, {place});")
                }
                _ if told => format!("refused({call}, {place});"),
                _ => format!("judge({call} == MEDORDER_VALIDATION_ERROR, {place});"),
            };
            let _ = writeln!(body, "  {line}");
        }
    }
    format!("#include \"nulls.h\"\n\nvoid every_null(void)\n{{\n{body}}}\n")
}

/// What a function gets: NULL, or something of the fixture in `tests/c/nulls.h`.
fn value(function: &Function, argument: &Argument, null: bool, length_of_null: bool) -> String {
    let (text, name) = (argument.text.as_str(), argument.name.as_str());
    if null {
        return "NULL".to_owned();
    }
    if let Some(of) = name.strip_suffix("_length") {
        return if length_of_null { "0".to_owned() } else { format!("strlen(given_{of})") };
    }
    match name {
        _ if argument.is_error() => "&error".to_owned(),
        _ if text.contains("(*") => "NULL".to_owned(),
        "user_data" | "length" => "NULL".to_owned(),
        "member" if function.name.ends_with("_number") => "101".to_owned(),
        "expected_version" => "MEDORDER_ABSENT".to_owned(),
        "status" | "member" => "1".to_owned(),
        _ if !argument.pointer => "0".to_owned(),
        "fields" | "options" => "NULL".to_owned(),
        _ if text.starts_with("const char *") && !text.contains("**") => format!("given_{name}"),
        _ if text.contains("**") => format!("place_of({})", text.trim_end_matches(name).trim_end()),
        _ => format!("valid_{name}"),
    }
}

/// The names of the header that stand for a number. Programs have the numbers compiled in, so they are as much of the
/// interface as the functions.
pub(super) fn numbers(header: &str) -> Vec<&str> {
    let defined = header.lines().filter_map(|line| line.strip_prefix("#define ")?.split_once(' '));
    let numbers = defined.filter(|(_, number)| number.parse::<i32>().is_ok());
    numbers.map(|(name, _)| name).collect()
}

/// A library with every function of the header and nothing in it: what the linker and the compiler see of the
/// interface, types and numbers included, whichever way the real one was compiled.
pub(super) fn stub_program(functions: &[Function], numbers: &[&str]) -> String {
    let mut text = String::from("#include <medorder.h>\n\nenum numbers {\n");
    for name in numbers {
        let _ = writeln!(text, "  number_of_{name} = {name},");
    }
    text.push_str("};\nenum numbers numbers(void) { return 0; }\n");
    for function in functions {
        let arguments: Vec<&str> = function.arguments.iter().map(|argument| argument.text.as_str()).collect();
        let arguments = if arguments.is_empty() { "void".to_owned() } else { arguments.join(", ") };
        let result = if function.answers == "void" { "" } else { " return 0; " };
        let _ = writeln!(text, "{} {}({arguments}) {{{result}}}", function.answers, function.name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "\
typedef struct medorder_thing {
  int32_t (*wrap)(void *user_data, int32_t a);
} medorder_thing;
/** const char *medorder_no(void); */
uint32_t medorder_abi(void);

int32_t medorder_do(const medorder_thing *thing,
                    const char *name,
                    size_t name_length,
                    void (*call)(void *user_data, int32_t level),
                    medorder_thing **out,
                    medorder_error **error);
void medorder_thing_free(medorder_thing *thing);
";

    #[test]
    fn functions_are_read_with_their_arguments() {
        let functions = functions(HEADER);
        let names: Vec<_> = functions.iter().map(|function| function.name.as_str()).collect();
        assert_eq!(names, ["medorder_abi", "medorder_do", "medorder_thing_free"]);
        let arguments: Vec<_> =
            functions[1].arguments.iter().map(|one| (one.name.as_str(), one.pointer)).collect();
        let expected = [
            ("thing", true),
            ("name", true),
            ("name_length", false),
            ("call", true),
            ("out", true),
            ("error", true),
        ];
        assert_eq!(arguments, expected);
    }

    #[test]
    fn numbers_are_those_that_stand_for_one() {
        let header = "#define MEDORDER_H\n#define MEDORDER_OK 0\n#define MEDORDER_TEXT(s) (s), strlen(s)\n  #define MEDORDER_NO 1\n#define MEDORDER_ABSENT (-1)\n#define MEDORDER_CLOSED 7001\n";
        assert_eq!(numbers(header), ["MEDORDER_OK", "MEDORDER_CLOSED"]);
        assert!(stub_program(&[], &numbers(header)).contains("number_of_MEDORDER_CLOSED = MEDORDER_CLOSED,"));
    }

    #[test]
    fn each_pointer_is_null_once() {
        let program = null_program(&functions(HEADER));
        let call = |arguments: &str| format!("medorder_do({arguments})");
        for arguments in [
            "NULL, given_name, strlen(given_name), NULL, place_of(medorder_thing **), &error",
            "valid_thing, NULL, 0, NULL, place_of(medorder_thing **), &error",
            "valid_thing, given_name, strlen(given_name), NULL, NULL, &error",
        ] {
            assert!(program.contains(&call(arguments)), "{arguments}\n{program}");
        }
        assert_eq!(program.matches("refused(").count(), 4, "{program}");
        assert!(program.contains("medorder_thing_free(NULL); passed("));
    }
}
