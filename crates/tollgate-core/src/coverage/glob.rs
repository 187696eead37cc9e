//! Globs over paths: `*` and `?` stay within a directory, `**` does not.

/// Whether `path` (with `/`) fits `glob`.
pub(crate) fn matches(glob: &str, path: &str) -> bool {
    let glob: Vec<&str> = glob.split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    matches_parts(&glob, &path)
}

fn matches_parts(glob: &[&str], path: &[&str]) -> bool {
    match (glob, path) {
        ([], path) => path.is_empty(),
        (["**"], _) => true,
        (["**", rest @ ..], path) => (0..=path.len()).any(|skipped| matches_parts(rest, &path[skipped..])),
        ([_, ..], []) => false,
        ([part, glob @ ..], [name, path @ ..]) => {
            matches_name(part.as_bytes(), name.as_bytes()) && matches_parts(glob, path)
        }
    }
}

/// One part of a path; after a mismatch the last `*` takes one more byte, so the time is at most quadratic.
fn matches_name(glob: &[u8], name: &[u8]) -> bool {
    let (mut g, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match glob.get(g) {
            Some(b'*') => {
                star = Some((g, n));
                g += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[n] => {
                g += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    // tollgate: no-mutants(`*`: from the star itself, or from where it began, it comes to the same place)
                    (g, n) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    glob[g..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_glob_matches_whole_paths() {
        let check = |glob: &str, path: &str, expect: bool| assert_eq!(matches(glob, path), expect, "{glob} {path}");
        check("a/b.rs", "a/b.rs", true);
        check("a/b.rs", "a/b.rs2", false);
        check("a/*.rs", "a/b.rs", true);
        check("a/*.rs", "a/b/c.rs", false);
        check("a/**", "a/b/c.rs", true);
        check("**/generated/*.rs", "crates/x/src/generated/y.rs", true);
        check("**/y.rs", "y.rs", true);
        check("a/**/c.rs", "a/c.rs", true);
        check("a/?.rs", "a/b.rs", true);
        check("a/?.rs", "a/bb.rs", false);
        check("*a*b*", "xxaxxaxxbx", true);
        check("*a*b", "xxaxxc", false);
        check("a", "a/b", false);
        check("a/b", "a", false);
    }
}
