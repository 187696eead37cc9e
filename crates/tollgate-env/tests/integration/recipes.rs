//! Recipes beside PostgreSQL and Redis, with the real servers.
//!
//! `.ci/run` installs them. On a machine without one its test holds the error to what it has to say, and tells that.

use crate::support::{Scene, names, runs, tree, wait_until};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;
use tollgate_env::{Environment, native_programs};
use tollgate_exec::{Cmd, Interrupt};
use tollgate_model::Leftover;

/// A scene whose services came up; why not, where one of these servers is not on this machine and that was told as it has
/// to be.
fn up(test: &str, file: &str, files: &[(&str, &str)], services: &[&str]) -> Result<(Scene, Environment), String> {
    let scene = Scene::new(test, file);
    for (name, text) in files {
        let path = scene.path().join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a directory");
        fs::write(path, text).expect("a file");
    }
    let all = names(services);
    let mut environment = scene.environment();
    assert_eq!(environment.check(&all), Ok(()));
    let missing = native_programs(&scene.compose(), &all).into_iter().find(tollgate_env::NativeProgram::is_missing);
    let came_up = environment.up(&all, None);
    let Some(missing) = missing else {
        came_up.unwrap_or_else(|error| panic!("{error}"));
        return Ok((scene, environment));
    };
    let hint = came_up.expect_err("a server is missing").hint().expect("a hint");
    let package = missing.package().expect("the package of every recipe is known");
    assert!(hint.ends_with(&format!("on Debian it is in the package {package}")), "{hint}");
    assert_eq!(end(environment), []);
    Err(format!("not started, since this machine has no {}", missing.program))
}

fn end(environment: Environment) -> Vec<Leftover> {
    environment.down().teardown.expect("it was torn down").leftovers
}

/// The processes of all services, at any depth.
fn processes(scene: &Scene) -> Vec<tollgate_env::ProcessId> {
    scene.recorded().into_iter().flat_map(|leader| [vec![leader], tree(leader.pid)].concat()).collect()
}

/// The environment is gone without force, and so is every process of it.
fn ends_without_a_trace(scene: &Scene, environment: Environment) {
    let processes = processes(scene);
    assert!(!processes.is_empty());
    assert_eq!(end(environment), []);
    assert!(!processes.iter().any(|id| runs(*id)));
    assert_eq!(scene.state(), None);
}

/// The answer to a `GET`, its head included.
fn get(address: &str, path: &str) -> String {
    let mut connection = TcpStream::connect(address).expect("it listens");
    write!(connection, "GET {path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn nginx_finds_nats_behind_it_at_the_addresses_of_this_machine() {
    let file = r#"
services:
  bus:
    image: nats:2
    command: ["-js", "-m", "8222", "-p", "4222", "--store_dir", "/data"]
    ports: ["127.0.0.1::4222", "127.0.0.1::8222"]
  proxy:
    image: nginx:1
    environment: { BACKEND: "bus:8222" }
    volumes: ["./site.template:/etc/nginx/templates/default.conf.template:ro", "./www:/srv/www:ro"]
    ports: ["127.0.0.1::80"]
    depends_on: { bus: { condition: service_healthy } }
"#;
    let site = "
server {
    listen 80; listen [::]:80;
    access_log /var/log/nginx/access.log;
    location /bus/ { proxy_set_header Host $host; proxy_pass http://${BACKEND}/; }
    location / { root /srv/www; }
}
";
    let files = [("site.template", site), ("www/hello.txt", "hello")];
    let (scene, environment) = match up("proxy", file, &files, &["bus", "proxy"]) {
        Ok(up) => up,
        Err(told) => return println!("{told}"),
    };
    let address = |template| environment.resolve(template).expect("an address");
    let proxy = address("${proxy.host}:${proxy.port}");
    let answer = get(&proxy, "/bus/varz");
    let bus = address("${bus.port:4222}");
    assert!(answer.contains(&format!("\"port\": {bus}")) && answer.contains("\"jetstream\""), "{answer}");
    assert!(get(&proxy, "/hello.txt").ends_with("\r\n\r\nhello"));
    wait_until("the request is in the log", || scene.log("proxy").contains("GET /hello.txt"));
    ends_without_a_trace(&scene, environment);
}

#[test]
fn what_an_nginx_configuration_names_in_vain_is_refused_with_its_line() {
    let file = "services:\n  proxy:\n    image: nginx:1\n    volumes: ['./site.conf:/etc/nginx/conf.d/default.conf']\n  app:\n    image: app\n    expose: [8080]\n";
    let scene = Scene::new("vain", file);
    fs::write(scene.path().join("site.conf"), "server {\n listen 81;\n proxy_pass http://app:8081;\n}\n")
        .expect("a file");
    let problems = scene.environment().check(&names(&["proxy"])).expect_err("two things");
    let root = scene.path().to_string();
    let told: Vec<String> = problems.iter().map(|problem| problem.to_string().replace(&root, "")).collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    /compose.yaml:4:15: /site.conf:2: `listen 81` has a port that isn't among those of the service
    /compose.yaml:4:15: /site.conf:3: `http://app:8081` names port 8081 of `app`, which isn't among its ports
    ");
}

#[test]
fn mariadb_has_its_users_its_database_and_what_its_scripts_made() {
    let file = r#"
services:
  db:
    image: mariadb:10.11
    command: ["--character-set-server=utf8mb4"]
    environment:
      MARIADB_ROOT_PASSWORD: "it's"
      MARIADB_DATABASE: my_shop
      MYSQL_USER: app
      MYSQL_PASSWORD: secret
    volumes: ["./init:/docker-entrypoint-initdb.d:ro", "data:/var/lib/mysql"]
    ports: ["127.0.0.1::3306"]
volumes: { data: {} }
"#;
    let files = [
        ("init/1.sql", "CREATE TABLE goods (name TEXT); INSERT INTO goods VALUES ('soap');"),
        ("init/2.sh", "mariadb --user=root \"$MARIADB_DATABASE\" -e \"INSERT INTO goods VALUES ('rope')\"\n"),
    ];
    let (scene, mut environment) = match up("mariadb", file, &files, &["db"]) {
        Ok(up) => up,
        Err(told) => return println!("{told}"),
    };
    let ask = |environment: &Environment, user: &str, password: &str, statement: &str| {
        let address = environment.resolve("${db.port}").expect("a port");
        let cmd = Cmd::new("mariadb")
            .args([
                "--no-defaults",
                "--protocol=tcp",
                "--host=127.0.0.1",
                "--batch",
                "--skip-column-names",
                "-P",
                &address,
            ])
            .args(["--user", user, "my_shop", "--execute", statement])
            .env("MYSQL_PWD", password)
            .timeout(Duration::from_secs(20));
        let output = cmd.run(&Interrupt::new().expect("a pipe")).expect("it runs");
        if output.status.success() { output.stdout.trim().to_owned() } else { output.stderr }
    };
    assert_eq!(ask(&environment, "app", "secret", "SELECT name FROM goods ORDER BY name"), "rope\nsoap");
    assert_eq!(ask(&environment, "root", "it's", "SELECT @@character_set_server"), "utf8mb4");
    assert!(ask(&environment, "root", "", "SELECT 1").contains("Access denied"));
    assert_eq!(ask(&environment, "app", "secret", "DELETE FROM goods"), "");

    environment.stop(&names(&["db"]));
    environment.up(&names(&["db"]), None).expect("it comes up again");
    assert_eq!(ask(&environment, "app", "secret", "SELECT COUNT(*) FROM goods"), "2", "a fresh directory");
    assert_eq!(scene.log("db").matches("creating").count(), 0);
    ends_without_a_trace(&scene, environment);
}

/// A frame of AMQP 0-9-1.
fn frame(connection: &mut TcpStream) -> Vec<u8> {
    let mut head = [0; 7];
    connection.read_exact(&mut head).expect("a frame");
    let length = u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize;
    let mut body = vec![0; length + 1];
    connection.read_exact(&mut body).expect("its body");
    body
}

/// Class and method of the answer to a login: `connection.tune` is 10 and 30. A refusal closes the connection instead.
fn login(address: &str, user: &str, password: &str) -> [u8; 4] {
    let mut connection = TcpStream::connect(address).expect("it listens");
    connection.write_all(b"AMQP\0\0\x09\x01").expect("it reads");
    frame(&mut connection);
    let response = format!("\0{user}\0{password}");
    let mut body = vec![0, 10, 0, 11];
    // One capability, so that a refusal is a frame too.
    let table = b"\x0ccapabilitiesF\0\0\0\x1f\x1cauthentication_failure_closet\x01";
    body.extend(u32::try_from(table.len()).expect("short").to_be_bytes());
    body.extend(table);
    body.extend(b"\x05PLAIN");
    body.extend(u32::try_from(response.len()).expect("short").to_be_bytes());
    body.extend(response.as_bytes());
    body.extend(b"\x05en_US");
    let mut message = vec![1, 0, 0];
    message.extend(u32::try_from(body.len()).expect("short").to_be_bytes());
    message.extend(body);
    message.push(0xce);
    connection.write_all(&message).expect("it reads");
    let answer = frame(&mut connection);
    [answer[0], answer[1], answer[2], answer[3]]
}

#[test]
fn rabbitmq_knows_its_user_and_leaves_no_port_mapper() {
    let file = r#"
services:
  queue:
    image: rabbitmq:3.10
    environment: { RABBITMQ_DEFAULT_USER: app, RABBITMQ_DEFAULT_PASS: 'pa"ss' }
    ports: ["127.0.0.1::5672"]
"#;
    let (scene, environment) = match up("rabbitmq", file, &[], &["queue"]) {
        Ok(up) => up,
        Err(told) => return println!("{told}"),
    };
    let address = environment.resolve("${queue.host}:${queue.port}").expect("an address");
    assert_eq!(login(&address, "app", "pa\"ss"), [0, 10, 0, 30]);
    assert_eq!(login(&address, "app", "wrong"), [0, 10, 0, 50], "`connection.close`");
    let commands: BTreeMap<i32, String> = processes(&scene)
        .into_iter()
        .filter_map(|id| Some((id.pid, fs::read_to_string(format!("/proc/{}/comm", id.pid)).ok()?)))
        .collect();
    assert!(commands.values().any(|command| command.trim() == "epmd"), "{commands:?}");
    ends_without_a_trace(&scene, environment);
}
