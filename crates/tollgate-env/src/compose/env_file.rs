//! Files of variables: `KEY=value` lines.

/// Reads `KEY=value` lines; quotes around a value are taken off, `#` begins a comment line.
///
/// # Errors
/// The number of the first line that is neither, from 1.
pub(crate) fn parse(text: &str) -> Result<Vec<(String, String)>, u32> {
    let mut variables = Vec::new();
    for (number, line) in (1_u32..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (key, value) = line.split_once('=').ok_or(number)?;
        variables.push((key.trim().to_owned(), unquoted(value.trim()).to_owned()));
    }
    Ok(variables)
}

fn unquoted(value: &str) -> &str {
    ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or_else(|| value.split(" #").next().unwrap_or(value).trim_end())
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn lines_become_variables() {
        let text = "# comment\n\nA=1\nexport B = \"two words\" \nC='x # y'\nD=plain # comment\nE=\n";
        let expect = [("A", "1"), ("B", "two words"), ("C", "x # y"), ("D", "plain"), ("E", "")];
        assert_eq!(parse(text).unwrap(), expect.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert_eq!(parse("A=1\nnonsense\n"), Err(2));
    }
}
