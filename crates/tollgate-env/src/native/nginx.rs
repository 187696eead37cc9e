//! The nginx recipe: the official image's nginx with the configuration that the file mounts, as a proxy of this machine.
//!
//! Everything mounted below `/etc/nginx` is laid out in the run's state directory, translated (`nginx_conf`); templates are
//! filled in as the image does. Other mounts are read where they are.

use super::limits;
use super::nginx_conf::{Places, translate};
use super::program::Found;
use crate::compose::{Compose, Service};
use crate::resolve::{Endpoints, with_addresses};
use crate::{EnvError, FileProblem};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

/// Where the image has its configuration, and this machine's package what comes with it.
const HOME: &str = "/etc/nginx";

/// Files of the image that configurations include; those of the package are the same.
const COMPANIONS: [&str; 5] = ["mime.types", "fastcgi_params", "fastcgi.conf", "scgi_params", "uwsgi_params"];

/// The main file of the official image.
const MAIN: &str = "\
worker_processes auto;
events { worker_connections 1024; }
http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log /var/log/nginx/access.log;
    sendfile on;
    keepalive_timeout 65;
    include /etc/nginx/conf.d/*.conf;
}
";

/// The one site of the official image.
const SITE: &str = "\
server {
    listen 80;
    location / { root /usr/share/nginx/html; index index.html index.htm; }
}
";

/// Deepest directory of a configuration; links can lead round in circles.
const DEPTH_MAX: usize = 16;

/// A file of the configuration: its name below [`HOME`], the path here, and its text where that is to be translated.
struct File {
    name: Utf8PathBuf,
    source: Utf8PathBuf,
    text: Option<String>,
}

/// Lays the configuration out below `home` and returns the command line.
pub(super) fn launch(
    found: &Found,
    service: &Service,
    compose: &Compose,
    home: &Utf8Path,
    ports: &BTreeMap<u16, u16>,
    endpoints: Endpoints<'_>,
) -> Result<Vec<String>, EnvError> {
    let own = |port: u16| Some(SocketAddr::from((Ipv4Addr::LOCALHOST, *ports.get(&port)?)));
    let files =
        files(service, compose).map_err(EnvError::io("read the configuration in", compose.directory.clone()))?;
    let translated = translated(service, compose, home, &files, &own, endpoints).map_err(EnvError::File)?;
    let write = || -> io::Result<()> {
        for name in COMPANIONS {
            let _ = fs::copy(Utf8Path::new(HOME).join(name), parent_of(home, name.into())?);
        }
        for file in &files {
            match translated.get(&*file.name) {
                Some(text) => fs::write(parent_of(home, &file.name)?, text)?,
                None => drop(fs::copy(&file.source, parent_of(home, &file.name)?)?),
            }
        }
        Ok(())
    };
    write().map_err(EnvError::io("lay out the configuration in", home))?;
    let main = home.join("nginx.conf");
    Ok([found.program.as_str(), "-e", "stderr", "-c", main.as_str()].map(str::to_owned).to_vec())
}

fn parent_of(home: &Utf8Path, name: &Utf8Path) -> io::Result<Utf8PathBuf> {
    let path = home.join(name);
    fs::create_dir_all(path.parent().unwrap_or(home))?;
    Ok(path)
}

/// Every text as it is here, by the name of its file.
fn translated<'a>(
    service: &Service,
    compose: &Compose,
    home: &Utf8Path,
    files: &'a [File],
    own: &dyn Fn(u16) -> Option<SocketAddr>,
    endpoints: Endpoints<'_>,
) -> Result<BTreeMap<&'a Utf8Path, String>, Vec<FileProblem>> {
    let others = |name: &tollgate_model::ServiceName, port| {
        if *name == service.name { own(port) } else { endpoints(name, port) }
    };
    let addresses = |text: &str, upstreams: &BTreeSet<String>| with_addresses(compose, text, upstreams, &others);
    let is_service = |name: &str| compose.services.contains_key(name);
    let paths = paths(service, compose, home);
    let places = Places { own, addresses: &addresses, is_service: &is_service, paths: &paths, state: home };
    let (mut result, mut problems) = (BTreeMap::new(), Vec::new());
    for file in files {
        let Some(text) = &file.text else { continue };
        match translate(text, &places) {
            Ok(text) if file.name == "nginx.conf" => {
                result.insert(&*file.name, format!("{}\n{text}", preamble(home)));
            }
            Ok(text) => drop(result.insert(&file.name, text)),
            Err(troubles) => problems.extend(troubles.into_iter().map(|(line, what)| {
                let at = service.volumes.iter().find(|mount| below(&mount.target).is_some());
                let message = format!("{}:{line}: {what}", file.source);
                compose.problem(at.map_or(service.at, |mount| mount.at), message, None)
            })),
        }
    }
    if problems.is_empty() { Ok(result) } else { Err(problems) }
}

/// The process in the foreground, under the user of the run: what is mounted may be readable for nobody else.
fn preamble(home: &Utf8Path) -> String {
    let user = if rustix::process::geteuid().is_root() { "user root; " } else { "" };
    format!("daemon off; {user}pid {home}/nginx.pid;")
}

/// The part of a path of the container below [`HOME`].
fn below(target: &str) -> Option<&Utf8Path> {
    Utf8Path::new(target).strip_prefix(HOME).ok()
}

/// Paths of the container and where they are here, the longest first.
fn paths(service: &Service, compose: &Compose, home: &Utf8Path) -> Vec<(String, Utf8PathBuf)> {
    let binds = service.volumes.iter().filter(|mount| mount.is_bind() && below(&mount.target).is_none());
    let absolute = |path: Utf8PathBuf| path.canonicalize_utf8().unwrap_or(path);
    let mut paths: Vec<(String, Utf8PathBuf)> = binds
        .map(|mount| (mount.target.trim_end_matches('/').to_owned(), absolute(limits::source(compose, mount))))
        .collect();
    paths.push((HOME.to_owned(), home.to_owned()));
    paths.sort_by_key(|(there, _)| std::cmp::Reverse(there.len()));
    paths
}

/// The configuration: what is mounted, and what of the image's own is not hidden by it.
fn files(service: &Service, compose: &Compose) -> io::Result<Vec<File>> {
    let mut files: BTreeMap<Utf8PathBuf, File> = BTreeMap::new();
    let mut add = |name: Utf8PathBuf, source: Utf8PathBuf, text: Option<String>| {
        files.insert(name.clone(), File { name, source, text });
    };
    let target = |target: &str| service.volumes.iter().any(|mount| mount.target.trim_end_matches('/') == target);
    if !target(HOME) {
        add("nginx.conf".into(), "nginx.conf of the image".into(), Some(MAIN.to_owned()));
        // Where nobody has its port, nobody can reach it.
        if !target(&format!("{HOME}/conf.d")) && service.tcp_ports().contains(&80) {
            add("conf.d/default.conf".into(), "conf.d/default.conf of the image".into(), Some(SITE.to_owned()));
        }
    }
    for mount in service.volumes.iter().filter(|mount| mount.is_bind()) {
        let Some(name) = below(&mount.target) else { continue };
        let mut found = Vec::new();
        walk(name, &limits::source(compose, mount), &mut found)?;
        for (name, source) in found {
            let template = name.strip_prefix("templates").ok().and_then(|name| name.as_str().strip_suffix(".template"));
            if let Some(output) = template {
                let text = substituted(&fs::read_to_string(&source)?, service);
                add(Utf8Path::new("conf.d").join(output), source, Some(text));
            } else {
                let text = is_configuration(&name).then(|| fs::read_to_string(&source)).transpose()?;
                add(name, source, text);
            }
        }
    }
    Ok(files.into_values().collect())
}

/// Every file at or below a path.
fn walk(name: &Utf8Path, source: &Utf8Path, found: &mut Vec<(Utf8PathBuf, Utf8PathBuf)>) -> io::Result<()> {
    if !source.is_dir() {
        found.push((name.to_owned(), source.to_owned()));
        return Ok(());
    }
    if name.components().count() > DEPTH_MAX {
        return Err(io::Error::other(format!("{source} is too deep; does a link lead back?")));
    }
    for entry in source.read_dir_utf8()? {
        let entry = entry?;
        walk(&name.join(entry.file_name()), entry.path(), found)?;
    }
    Ok(())
}

fn is_configuration(name: &Utf8Path) -> bool {
    let directories = ["snippets/", "sites-enabled/", "sites-available/"];
    name.extension() == Some("conf") || directories.iter().any(|directory| name.as_str().starts_with(directory))
}

/// A template of the image, filled in: only variables that the service has, so that those of nginx stay.
fn substituted(text: &str, service: &Service) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let variables = limits::own_variables(service);
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let after = &rest[at + 1..];
        let braced =
            after.strip_prefix('{').and_then(|inside| inside.split_once('}')).map(|(name, _)| (name, name.len() + 2));
        let bare = &after[..after.find(|c| !is_name(c)).unwrap_or(after.len())];
        let (name, length) = braced.unwrap_or((bare, bare.len()));
        result.push_str(&rest[..at]);
        match variables.get(name) {
            Some(value) => result.push_str(value),
            None => result.push_str(&rest[at..=at + length]),
        }
        rest = &after[length..];
    }
    result + rest
}

/// What a process of this machine can't do of what the file asks of the image.
pub(super) fn unsupported(compose: &Compose, service: &Service) -> Vec<FileProblem> {
    let name = &service.name;
    let mut problems = limits::unsupported_variables(compose, service, |key| key.starts_with("NGINX_ENVSUBST_"));
    if let Some(entrypoint) = &service.entrypoint {
        let message = format!("service `{name}` replaces the entry point, which only a container has");
        problems.push(compose.problem(entrypoint.at, message, None));
    }
    if let Some(command) = service.command.as_ref().filter(|command| command.value != ["nginx", "-g", "daemon off;"]) {
        let message =
            format!("the command of service `{name}` is not that of the image: `{}`", command.value.join(" "));
        let hint = "settings belong into a mounted configuration".to_owned();
        problems.push(compose.problem(command.at, message, Some(hint)));
    }
    for mount in &service.volumes {
        let source = limits::source(compose, mount);
        if !mount.is_bind() && below(&mount.target).is_some() {
            problems.extend(limits::useless_mount(compose, service, mount));
        } else if mount.is_bind() && !source.exists() {
            let message = format!("`{source}`, which service `{name}` mounts, is not there");
            problems.push(limits::mount_problem(compose, mount, message));
        }
    }
    if problems.is_empty() {
        problems = configuration_problems(compose, service);
    }
    problems
}

/// What the configuration names that nobody has.
fn configuration_problems(compose: &Compose, service: &Service) -> Vec<FileProblem> {
    let somewhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let has = |service: &Service, port: u16| service.tcp_ports().contains(&port).then_some(somewhere);
    let endpoints = |name: &tollgate_model::ServiceName, port| has(compose.services.get(name)?, port);
    match files(service, compose) {
        Err(error) => {
            vec![compose.problem(
                service.at,
                format!("the configuration of service `{}` can't be read: {error}", service.name),
                None,
            )]
        }
        Ok(files) => {
            let own = |port| has(service, port);
            translated(service, compose, Utf8Path::new("/state"), &files, &own, &endpoints).err().unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::compose::sample;

    #[test]
    fn a_template_is_filled_in_with_the_services_variables_and_no_others() {
        let compose = sample("services:\n  p:\n    image: nginx\n    environment: { BACKEND: 'shop:80', N: '5' }\n");
        let filled = substituted("$host ${BACKEND}/$N$uri ${OTHER} $", &compose.services["p"]);
        assert_eq!(filled, "$host shop:80/5$uri ${OTHER} $");
    }

    #[test]
    fn what_is_no_configuration_is_refused_with_its_place() {
        let compose = sample(
            "services:\n  p:\n    image: nginx\n    command: [nginx-debug]\n    volumes: ['/no/such:/etc/nginx/conf.d', 'v:/etc/nginx']\n    \
             environment: { NGINX_ENVSUBST_OUTPUT_DIR: /x }\nvolumes: { v: {} }\n",
        );
        let problems = unsupported(&compose, &compose.services["p"]);
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "compose.yaml:6:47: service `p` sets `NGINX_ENVSUBST_OUTPUT_DIR`, which its native form can't honour",
                "compose.yaml:4:14: the command of service `p` is not that of the image: `nginx-debug`",
                "compose.yaml:5:15: `/no/such`, which service `p` mounts, is not there",
                "compose.yaml:5:45: service `p` mounts `/etc/nginx`, which its native form has no use for",
            ]
        );
    }
}
