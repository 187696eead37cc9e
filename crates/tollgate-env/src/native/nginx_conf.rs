//! nginx configuration made for a container, put so that it means the same on this machine.
//!
//! Read word by word, as nginx does; what is not a place is handed on as it stands, comments included. Places are: where it
//! listens, addresses of other services, files of the container, and the directives of a process that is nobody's daemon.

use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// Directives that say how the process lives, or need what only a container network has; the recipe has its own.
const DROPPED: [&str; 9] = [
    "user",
    "pid",
    "daemon",
    "resolver",
    "client_body_temp_path",
    "proxy_temp_path",
    "fastcgi_temp_path",
    "uwsgi_temp_path",
    "scgi_temp_path",
];

/// Where the directories of the recipe are put in.
const TEMPORARY: [&str; 5] = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

/// Directives whose first word is a directory that nginx writes to, a cache.
const CACHES: [&str; 4] = ["proxy_cache_path", "fastcgi_cache_path", "uwsgi_cache_path", "scgi_cache_path"];

/// Puts the addresses of services into a text; these names mean something else unless a port follows them.
pub(super) type Addresses<'a> = &'a dyn Fn(&str, &BTreeSet<String>) -> Result<String, String>;

/// What places of the container are here.
pub(super) struct Places<'a> {
    /// Address of a port that the proxy listens on.
    pub(super) own: &'a dyn Fn(u16) -> Option<SocketAddr>,
    /// The addresses of other services; the names of upstreams are none.
    pub(super) addresses: Addresses<'a>,
    /// Whether another service has this name.
    pub(super) is_service: &'a dyn Fn(&str) -> bool,
    /// Paths of the container and what they are here, the longest first.
    pub(super) paths: &'a [(String, Utf8PathBuf)],
    /// Directory for what nginx writes.
    pub(super) state: &'a Utf8Path,
}

/// Something of a configuration that can't be honoured: its line, from 1, and what it is.
pub(super) type Trouble = (usize, String);

/// A piece of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'a> {
    /// White space or a comment.
    Gap(&'a str),
    /// A word, with its quotes.
    Word(&'a str),
    /// `;`, `{` or `}`.
    End(char),
}

/// A block, and what it listens on; the text itself is one too, since it may be a part of a block.
#[derive(Default)]
struct Block {
    /// Line of a `server` that has no `listen` yet.
    silent: Option<usize>,
    has_include: bool,
    addresses: BTreeSet<SocketAddr>,
    /// Directives for addresses of IPv6, which are of use where none of IPv4 has the port.
    ipv6: Vec<(SocketAddr, Vec<String>)>,
}

/// The configuration as this machine's nginx has to read it.
pub(super) fn translate(text: &str, places: &Places<'_>) -> Result<String, Vec<Trouble>> {
    let pieces = pieces(text);
    let upstreams = upstreams(&pieces);
    let (mut result, mut troubles) = (String::with_capacity(text.len()), Vec::new());
    let (mut line, mut directive) = (1, Vec::new());
    let (mut blocks, mut block) = (Vec::new(), Block::default());
    for piece in pieces {
        match piece {
            Piece::Gap(gap) if directive.is_empty() => result.push_str(gap),
            Piece::Gap(_) => {}
            Piece::Word(word) => directive.push(word),
            Piece::End(end) => {
                if end == '}' {
                    let ended = std::mem::replace(&mut block, blocks.pop().unwrap_or_default());
                    match ended.end(places) {
                        Ok(text) => result.push_str(&text),
                        Err(trouble) => troubles.push(trouble),
                    }
                }
                match directive_here(&directive, end, places, &upstreams, &mut block) {
                    Ok(Some(words)) => {
                        result.push_str(&words.join(" "));
                        result.extend((end == '{').then_some(' '));
                        result.push(end);
                    }
                    Ok(None) => {}
                    Err(message) => troubles.push((line, message)),
                }
                if directive == ["http"] && end == '{' {
                    result.push_str(&temporary(places.state));
                }
                if end == '{' {
                    let silent = (directive == ["server"]).then_some(line);
                    blocks.push(std::mem::replace(&mut block, Block { silent, ..Block::default() }));
                }
                directive.clear();
            }
        }
        line += match piece {
            Piece::Gap(text) | Piece::Word(text) => text.matches('\n').count(),
            Piece::End(_) => 0,
        };
    }
    // A directive without its end, about which nginx has something to say.
    result.push_str(&directive.join(" "));
    result.push_str(&block.end(places).unwrap_or_default());
    troubles.sort_by_key(|(line, _)| *line);
    if troubles.is_empty() { Ok(result) } else { Err(troubles) }
}

impl Block {
    /// What it has to say before its end: addresses of IPv6 that stand alone, and what nginx takes for said, which is port 80
    /// of every interface.
    fn end(&self, places: &Places<'_>) -> Result<String, Trouble> {
        let mut known = self.addresses.clone();
        let alone = self.ipv6.iter().filter(|(address, _)| known.insert(*address));
        let text = alone.map(|(_, words)| words.join(" ") + "; ").collect();
        let Some(line) = self.silent else { return Ok(text) };
        if self.has_include {
            let message = "this `server` has no `listen` of its own, and one in a file that it includes is not seen";
            return Err((line, message.to_owned()));
        }
        let message = "this `server` has no `listen`, and port 80 isn't among those of the service";
        let here = (places.own)(80).ok_or_else(|| (line, message.to_owned()))?;
        Ok(format!("listen {here}; "))
    }
}

/// The directories for bodies that don't fit into memory; those of the package belong to its user.
pub(super) fn temporary(state: &Utf8Path) -> String {
    let directory = |name: &str| format!(" {name}_temp_path {state}/{name};");
    TEMPORARY.iter().map(|name| directory(name)).collect()
}

/// A directive's words here; none where it is left out.
fn directive_here(
    words: &[&str],
    end: char,
    places: &Places<'_>,
    upstreams: &BTreeSet<String>,
    block: &mut Block,
) -> Result<Option<Vec<String>>, String> {
    block.has_include |= words.first() == Some(&"include");
    let owned = || words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    match words {
        [name, ..] if end == ';' && DROPPED.contains(name) => Ok(None),
        ["listen", address, rest @ ..] => listen(address, rest, places, block),
        [name, directory, rest @ ..] if CACHES.contains(name) => Ok(Some(cache(name, directory, rest, places.state))),
        ["error_log", target, rest @ ..] => Ok(Some(log("error_log", target, "stderr", rest))),
        ["access_log", target, rest @ ..] if *target != "off" => {
            Ok(Some(log("access_log", target, "/dev/stdout", rest)))
        }
        ["server_name" | "upstream", ..] => Ok(Some(owned())),
        // In a block of servers a name without a port means port 80.
        ["server", host, rest @ ..] if (places.is_service)(host) => {
            let address = (places.addresses)(&format!("{host}:80"), upstreams)?;
            Ok(Some(
                [&["server".to_owned(), address][..], &rest.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()]
                    .concat(),
            ))
        }
        [name, arguments @ ..] => {
            let mut here = vec![(*name).to_owned()];
            for word in arguments {
                here.push(path_here(&(places.addresses)(word, upstreams)?, places.paths));
            }
            Ok(Some(here))
        }
        [] => Ok(Some(Vec::new())),
    }
}

/// Files of a log become what the service's log is made of; a socket of syslog stays.
fn log(name: &str, target: &str, here: &str, rest: &[&str]) -> Vec<String> {
    let target = if target.starts_with('/') { here } else { target };
    [name, target].into_iter().chain(rest.iter().copied()).map(str::to_owned).collect()
}

/// A cache of its own in the state directory, whatever the directory of the container is; nginx makes only the last part of a
/// path.
fn cache(name: &str, directory: &str, rest: &[&str], state: &Utf8Path) -> Vec<String> {
    let flat = directory.trim_matches(['"', '\'', '/']).replace('/', "-");
    let here = format!("{state}/cache-{flat}");
    [name, &here].into_iter().chain(rest.iter().copied()).map(str::to_owned).collect()
}

fn listen(address: &str, rest: &[&str], places: &Places<'_>, block: &mut Block) -> Result<Option<Vec<String>>, String> {
    block.silent = None;
    if address.starts_with("unix:") {
        return Err(format!("`listen {address}` is a socket of the container"));
    }
    let is_ipv6 = address.starts_with('[');
    let bare = address.rsplit(']').next().unwrap_or(address);
    let port = bare.rsplit(':').next().unwrap_or(bare);
    let port = port.parse().ok().or_else(|| (!bare.contains(':')).then_some(80));
    let here = port.and_then(|port| (places.own)(port));
    let here = here.ok_or_else(|| format!("`listen {address}` has a port that isn't among those of the service"))?;
    let rest = rest.iter().filter(|word| !word.starts_with("ipv6only=")).map(|word| (*word).to_owned());
    let words = ["listen".to_owned(), here.to_string()].into_iter().chain(rest).collect();
    if is_ipv6 {
        block.ipv6.push((here, words));
        return Ok(None);
    }
    block.addresses.insert(here);
    Ok(Some(words))
}

/// A word that names a file of the container names that of this machine.
pub(super) fn path_here(word: &str, paths: &[(String, Utf8PathBuf)]) -> String {
    let bare = word.trim_start_matches(['"', '\'']);
    let known = |(there, here): &(String, Utf8PathBuf)| {
        let below = bare.strip_prefix(there.as_str())?;
        let whole = below.is_empty() || there.ends_with('/') || below.starts_with(['/', '"', '\'', '$']);
        whole.then(|| word.replacen(there.as_str(), here.as_str(), 1))
    };
    paths.iter().find_map(known).unwrap_or_else(|| word.to_owned())
}

/// The names that `upstream` gives to groups of servers.
fn upstreams(pieces: &[Piece<'_>]) -> BTreeSet<String> {
    let words = pieces.iter().filter_map(|piece| if let Piece::Word(word) = piece { Some(*word) } else { None });
    let all: Vec<&str> = words.collect();
    all.windows(2).filter(|pair| pair[0] == "upstream").map(|pair| pair[1].to_owned()).collect()
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            ';' | '{' | '}' => 1,
            '#' => rest.find('\n').unwrap_or(rest.len()),
            c if c.is_whitespace() => rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len()),
            '"' | '\'' => quoted(rest, first),
            _ => plain(rest),
        };
        let (piece, after) = rest.split_at(length);
        pieces.push(match first {
            ';' | '{' | '}' => Piece::End(first),
            c if c == '#' || c.is_whitespace() => Piece::Gap(piece),
            _ => Piece::Word(piece),
        });
        rest = after;
    }
    pieces
}

/// The length of a quoted word, its quotes included.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a word; `${name}` belongs to it.
fn plain(text: &str) -> usize {
    let (mut escaped, mut before, mut variable) = (false, ' ', false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' if before == '$' => variable = true,
            '}' if variable => variable = false,
            c if !variable && (c.is_whitespace() || matches!(c, ';' | '{' | '}')) => return at,
            _ => {}
        }
        before = c;
    }
    text.len()
}

#[cfg(test)]
mod unit {
    use super::*;

    fn here(text: &str) -> Result<String, Vec<Trouble>> {
        let own = |port| (port == 80 || port == 8443).then(|| SocketAddr::from(([127, 0, 0, 1], port + 10_000)));
        let addresses = |word: &str, upstreams: &BTreeSet<String>| {
            if word.contains("lost") {
                return Err(format!("no address: {word}"));
            }
            let known = word.contains("//shop:80") || word == "shop:80" || !upstreams.contains("shop");
            Ok(if known { word.replace("shop:80", "127.0.0.1:1") } else { word.to_owned() })
        };
        let is_service = |name: &str| name == "shop";
        let paths =
            [("/etc/nginx/certs".to_owned(), "/files/certs".into()), ("/etc/nginx/".to_owned(), "/state/".into())];
        let state = Utf8Path::new("/state");
        translate(text, &Places { own: &own, addresses: &addresses, is_service: &is_service, paths: &paths, state })
    }

    fn check(text: &str, expect: &str) {
        assert_eq!(here(text).as_deref(), Ok(expect));
    }

    #[test]
    fn it_listens_at_its_ports_of_this_machine() {
        check("listen 80;", "listen 127.0.0.1:10080;");
        check("listen 0.0.0.0:8443 ssl default_server;", "listen 127.0.0.1:18443 ssl default_server;");
        check("listen *:80; listen [::]:80 ipv6only=on;", "listen 127.0.0.1:10080; ");
        check("listen localhost;", "listen 127.0.0.1:10080;");
        check("listen [::]:8443 ssl;", "listen 127.0.0.1:18443 ssl; ");
        check("server { listen [::]:80; listen [::]; }", "server {   listen 127.0.0.1:10080; }");
        check("server { listen [::]:80; listen 80; }", "server {  listen 127.0.0.1:10080; }");
        check("server { location / { } }", "server { location / { } listen 127.0.0.1:10080; }");
    }

    #[test]
    fn a_cache_is_in_the_state_directory() {
        check(
            "proxy_cache_path /var/cache/nginx levels=1:2;",
            "proxy_cache_path /state/cache-var-cache-nginx levels=1:2;",
        );
    }

    #[test]
    fn services_paths_and_logs_are_those_of_this_machine() {
        check("proxy_pass http://shop:80/a;", "proxy_pass http://127.0.0.1:1/a;");
        check("upstream shop { server shop max_fails=1; }", "upstream shop { server 127.0.0.1:1 max_fails=1; }");
        check("server { server_name shop:80; }", "server { server_name shop:80; listen 127.0.0.1:10080; }");
        check("ssl_certificate /etc/nginx/certs/a.pem;", "ssl_certificate /files/certs/a.pem;");
        check("include \"/etc/nginx/conf.d/*.conf\";", "include \"/state/conf.d/*.conf\";");
        check("access_log /var/log/nginx/a.log main; access_log off;", "access_log /dev/stdout main; access_log off;");
        check("error_log /var/log/nginx/error.log warn;", "error_log stderr warn;");
    }

    #[test]
    fn the_process_is_the_recipes_and_all_else_stays() {
        check("user nginx; pid /run/nginx.pid; events { }", "  events { }");
        let temporary = temporary(Utf8Path::new("/state"));
        check("http {\n}", &format!("http {{{temporary}\n}}"));
        let text = "map $a $b { default \"x;{\\\"\"; ~^/(.*)\\;$ ${a}x; } # a; comment {\n";
        check(text, text);
    }

    #[test]
    fn what_can_not_be_honoured_is_told_with_its_line() {
        let told = here(
            "# one\nlisten 81;\nlisten unix:/x;\n  proxy_pass\n http://lost;\nserver {\n include a; }\nlisten [::]:82;",
        );
        let told: Vec<String> =
            told.expect_err("five things").into_iter().map(|(line, what)| format!("{line} {what}")).collect();
        assert_eq!(
            told,
            [
                "2 `listen 81` has a port that isn't among those of the service",
                "3 `listen unix:/x` is a socket of the container",
                "5 no address: http://lost",
                "6 this `server` has no `listen` of its own, and one in a file that it includes is not seen",
                "8 `listen [::]:82` has a port that isn't among those of the service"
            ]
        );
    }
}
