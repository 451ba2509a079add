//! Rust source text with its comments and literals blanked out.
//!
//! Enough of a lexer to tell code from what only looks like it, so that a word in a comment or a
//! string breaks no rule. It does not parse; it refuses nothing.

/// A source file, line by line, twice: as written, and as code alone.
pub(super) struct Source<'a> {
    /// The lines as they are.
    pub(super) lines: Vec<&'a str>,
    /// The same lines; comments and the insides of literals are spaces.
    pub(super) code: Vec<String>,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let code = Blanker::new(text).run();
        let mut code: Vec<String> = code.lines().map(str::to_owned).collect();
        let lines: Vec<&str> = text.lines().collect();
        code.resize(lines.len(), String::new());
        Self { lines, code }
    }

    /// Every function as (index of the line of its `fn`, its name, how many lines it has).
    pub(super) fn functions(&self) -> Vec<(usize, String, usize)> {
        let text = self.code.join("\n");
        let mut found = Vec::new();
        for (at, _) in text.match_indices("fn ") {
            let starts_word = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let name: String =
                text[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if let (true, false, Some(end)) = (starts_word, name.is_empty(), body_end(&text[at..]))
            {
                let first = text[..at].matches('\n').count();
                found.push((first, name, text[at..at + end].matches('\n').count() + 1));
            }
        }
        found
    }

    /// The index of the first line of the inline test module; the number of lines if there is none.
    pub(super) fn tests_start(&self) -> usize {
        let is_start = |index: &usize| {
            let next = self.code.get(index + 1).map_or("", |line| line.trim());
            self.code[*index].trim() == "#[cfg(test)]"
                && next.starts_with("mod ")
                && next.ends_with('{')
        };
        (0..self.code.len()).find(is_start).unwrap_or(self.code.len())
    }
}

/// Where the body of the function that starts the text ends; `None` for a declaration without one.
fn body_end(text: &str) -> Option<usize> {
    let (mut nesting, mut braces) = (0_i32, 0_i32);
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' => nesting += 1,
            ')' | ']' => nesting -= 1,
            ';' if nesting == 0 && braces == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

struct Blanker {
    text: Vec<char>,
    at: usize,
    out: String,
}

impl Blanker {
    fn new(text: &str) -> Self {
        Self { text: text.chars().collect(), at: 0, out: String::with_capacity(text.len()) }
    }

    fn run(mut self) -> String {
        while let Some(c) = self.peek(0) {
            match (c, self.peek(1)) {
                ('/', Some('/')) => self.blank_until(|text, at| text[at] == '\n'),
                ('/', Some('*')) => self.block_comment(),
                ('"', _) => self.string(),
                ('r', Some('"' | '#')) if self.starts_raw_string() => self.raw_string(),
                ('\'', _) => self.quote(),
                _ => self.keep(),
            }
        }
        self.out
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    fn keep(&mut self) {
        self.out.extend(self.peek(0));
        self.at += 1;
    }

    fn blank(&mut self) {
        // Line breaks stay, so that line numbers do.
        self.out.extend(self.peek(0).map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.at += 1;
    }

    fn blank_until(&mut self, ends: impl Fn(&[char], usize) -> bool) {
        while self.at < self.text.len() && !ends(&self.text, self.at) {
            self.blank();
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.text.len() {
            let step = match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => {
                    depth += 1;
                    2
                }
                (Some('*'), Some('/')) => {
                    depth -= 1;
                    2
                }
                _ => 1,
            };
            (0..step).for_each(|_| self.blank());
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.keep();
        while let Some(c) = self.peek(0).filter(|c| *c != '"') {
            if c == '\\' {
                self.blank();
            }
            self.blank();
        }
        self.keep();
    }

    fn starts_raw_string(&self) -> bool {
        // `br"` and `cr"` are raw strings too, while `for"` cannot be; `attr#` in a macro can.
        let before = |back: usize| self.at.checked_sub(back).map(|at| self.text[at]);
        let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let prefixed = matches!(before(1), Some('b' | 'c')) && !is_word(before(2));
        let hashes = self.text[self.at + 1..].iter().take_while(|c| **c == '#').count();
        (!is_word(before(1)) || prefixed) && self.peek(1 + hashes) == Some('"')
    }

    fn raw_string(&mut self) {
        self.keep();
        let hashes = self.text[self.at..].iter().take_while(|c| **c == '#').count();
        (0..=hashes).for_each(|_| self.keep());
        self.blank_until(|text, at| {
            let tail = text.get(at + 1..at + 1 + hashes);
            text[at] == '"' && tail.is_some_and(|tail| tail.iter().all(|c| *c == '#'))
        });
        (0..=hashes).for_each(|_| self.keep());
    }

    /// A character, or a lifetime: only the first has a closing quote where it must be.
    fn quote(&mut self) {
        let is_escape = self.peek(1) == Some('\\');
        if !is_escape && self.peek(2) != Some('\'') {
            return self.keep();
        }
        self.keep();
        self.blank();
        if is_escape {
            self.blank();
        }
        self.blank_until(|text, at| text[at] == '\'' || text[at] == '\n');
        self.keep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, code: &str) {
        assert_eq!(Source::new(source).code.join("\n"), code);
    }

    #[test]
    fn comments_and_literals_are_blanked() {
        check("a // unsafe", "a          ");
        check("a /* x /* y */ z */ b", "a                   b");
        check(r#"f("sle\"ep(")"#, r#"f("        ")"#);
        check(r##"f(r#"a"b"#)"##, r##"f(r#"   "#)"##);
        check("let c = '\"'; let d = '\\''; x", "let c = ' '; let d = '  '; x");
        check("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)");
        check("\"a\nb\" c", "\" \n \" c");
        check("br\"x\" attr \"y\"", "br\" \" attr \" \"");
    }

    #[test]
    fn functions_are_measured_from_their_name_to_their_last_brace() {
        let text = "trait T {\n  fn none(&self) -> [u8; 4];\n}\n\
                    fn one() {}\nfn three(x: [u8; 2]) {\n  if x {\n} }\n";
        let functions = Source::new(text).functions();
        assert_eq!(functions, [(3, "one".to_owned(), 1), (4, "three".to_owned(), 3)]);
    }

    #[test]
    fn the_test_module_is_found_by_its_body() {
        assert_eq!(Source::new("a\n#[cfg(test)]\nmod tests {\n}").tests_start(), 1);
        assert_eq!(Source::new("#[cfg(test)]\nmod tests;\nfn f() {}").tests_start(), 3);
    }
}
