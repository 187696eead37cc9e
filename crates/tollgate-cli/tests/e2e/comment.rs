//! A pull request is told of a run by one comment, wherever the run was from.

use crate::support::{ci, shop, tollgate};
use tollgate_testkit::{Ended, Fixture, GitHub, TOKEN};

/// Runs `report --comment` with an event, as a step of Actions does.
fn comment(shop: &Fixture, server: &GitHub, event: &str, args: &[&str]) -> Ended {
    shop.write("event.json", event);
    let event_path = shop.root().join("event.json");
    let args: Vec<&str> = ["report", "--comment"].into_iter().chain(args.iter().copied()).collect();
    let run = tollgate(shop, &args).env("GITHUB_EVENT_PATH", event_path.as_str()).env("GITHUB_REPOSITORY", "o/r");
    let run = run.env("GITHUB_API_URL", &server.url()).env("GITHUB_TOKEN", TOKEN);
    run.env("GITHUB_SERVER_URL", "https://github.test").env("GITHUB_RUN_ID", "42").run()
}

fn finished(conclusion: &str) -> String {
    format!(
        r#"{{"workflow_run":{{"event":"pull_request","conclusion":"{conclusion}","run_attempt":1,"head_sha":"abc",
        "head_repository":{{"full_name":"fork/r"}},"html_url":"https://github.test/o/r/actions/runs/42"}}}}"#
    )
}

#[test]
fn a_pull_request_is_told_once_and_a_stranger_can_tell_it_nothing_but_data() {
    let (shop, server) = (shop(), GitHub::start());
    shop.append(
        "shop/src/lib.rs",
        "#[cfg(test)]\nmod red {\n    #[test]\n    fn it_is_red() {\n        panic!(\"@team </pre>\");\n    }\n}",
    );
    assert_eq!(ci(&shop, &["--stage", "dev"]).code, 1);
    let pull_request = r#"{"pull_request":{"number":7}}"#;
    let ended = comment(&shop, &server, pull_request, &[]);
    assert_eq!(ended.code, 0, "{ended}");
    assert!(ended.stderr.contains("pull request 7: comment created"), "{ended}");
    let (author, body) = server.bodies(7).remove(0);
    assert_eq!(author, "github-actions[bot]");
    for part in [
        "<!-- tollgate:report v1 -->\n## ❌ tollgate: failed\n",
        "2 passed, 1 failed",
        "[run](https://github.test/o/r/actions/runs/42)",
        "<pre>cargo xtask test unit 'red::it_is_red'</pre>",
        "@team &lt;/pre&gt;",
    ] {
        assert!(body.contains(part), "{part} in {body}");
    }
    let again = comment(&shop, &server, pull_request, &[]);
    assert!(again.stderr.contains("the comment says so already"), "{again}");
    assert_eq!(server.bodies(7).len(), 1);
    let push = comment(&shop, &server, r#"{"ref":"refs/heads/main"}"#, &[]);
    assert!(push.code == 0 && push.stderr.contains("there is no pull request to tell"), "{push}");

    // A fork's brief claims that all is well and names another pull request.
    std::fs::create_dir(shop.root().join("untrusted")).expect("a directory");
    let brief = shop.read("target/tollgate/latest/brief.json");
    shop.write("untrusted/brief.json", &brief.replacen("\"failed\"", "\"passed\"", 1));
    let untrusted = ["--untrusted", "untrusted"];
    server.pull_request(8, "def", "fork/r");
    let stale = comment(&shop, &server, &finished("failure"), &untrusted);
    assert!(stale.code == 0 && stale.stderr.contains("there is no pull request to tell"), "{stale}");
    server.pull_request(9, "abc", "fork/r");
    let ended = comment(&shop, &server, &finished("failure"), &untrusted);
    assert!(ended.stderr.contains("pull request 9: comment created"), "{ended}");
    let body = server.bodies(9).remove(0).1;
    assert!(body.contains("## ❌ tollgate: the run's conclusion is ` failure `"), "{body}");
    assert!(body.contains("what the run says of itself"), "{body}");

    // Mutants have a run of their own and a part of the comment; of a run that left nothing there is nothing to tell.
    let of_mutants =
        finished("success").replacen('{', "{\"name\":\"mutants\",", 2).replacen("\"name\":\"mutants\",", "", 1);
    let ended = comment(&shop, &server, &of_mutants, &untrusted);
    assert!(ended.code == 0 && ended.stderr.contains("there is no pull request to tell"), "{ended}");
    shop.write("untrusted/mutants.json", r#"{"tried":2,"missed":["src/lib.rs:1:1: replace @a with `b`"]}"#);
    let ended = comment(&shop, &server, &of_mutants, &untrusted);
    assert!(ended.stderr.contains("pull request 9: comment updated"), "{ended}");
    let bodies: Vec<String> = server.bodies(9).into_iter().map(|(_, body)| body).collect();
    assert!(bodies[0].starts_with(body.trim_end()), "{bodies:?}");
    assert!(bodies[0].contains("### ⚠️ Mutants of the change") && bodies[0].contains("commit ` abc `"), "{bodies:?}");
    assert!(bodies[0].contains("`` src/lib.rs:1:1: replace @a with `b` ``"), "{bodies:?}");
    let ended = comment(&shop, &server, &finished("failure"), &untrusted);
    assert!(ended.stderr.contains("the comment says so already"), "{ended}");

    // What can't be read is refused, and the pull request told so: what an earlier run said must not outlive it.
    let refused = |said: &str| {
        let ended = comment(&shop, &server, &finished("success"), &untrusted);
        assert!(ended.code == 2 && ended.stderr.contains(said), "{said} in {ended}");
        let body = server.bodies(9).remove(0).1;
        assert!(body.contains("## ⛔ tollgate") && body.contains("can't be read"), "{body}");
        assert!(body.contains(said) && body.contains("### ⚠️ Mutants of the change"), "{said} in {body}");
    };
    shop.write("untrusted/brief.json", &brief.replacen('{', "{\"pull-request\":7,", 1));
    refused("unknown field `pull-request`");
    shop.write("untrusted/brief.json", &format!("{brief}{}", " ".repeat(2 << 20)));
    refused("and a brief at most");
    std::fs::remove_file(shop.root().join("untrusted/brief.json")).expect("it was there");
    let latest = shop.root().join("target/tollgate/latest/brief.json");
    std::os::unix::fs::symlink(latest, shop.root().join("untrusted/brief.json")).expect("a link");
    refused("is not a plain file");
    shop.write("untrusted/mutants.json", "{}");
    let ended = comment(&shop, &server, &of_mutants, &untrusted);
    assert!(ended.code == 2 && ended.stderr.contains("missing field"), "{ended}");
    let body = server.bodies(9).remove(0).1;
    assert!(body.contains("### ⛔ Mutants of the change") && !body.contains("src/lib.rs:1:1"), "{body}");
    let own = comment(&shop, &server, pull_request, &untrusted);
    assert!(own.code == 2 && own.stderr.contains("is not the end of another workflow's run"), "{own}");
    assert_eq!((server.bodies(7).len(), server.bodies(9).len()), (1, 1));
}

#[test]
fn what_is_missing_for_a_comment_is_named() {
    let (shop, server) = (shop(), GitHub::start());
    let ended = comment(&shop, &server, "{}", &[]);
    assert!(ended.code == 2 && ended.stderr.contains("cargo xtask ci"), "there is no run yet: {ended}");
    std::fs::create_dir_all(shop.root().join("untrusted")).expect("a directory");
    let untrusted = ["--untrusted", "untrusted"];
    let ended = comment(&shop, &server, &finished("success"), &untrusted);
    assert!(ended.code == 0 && ended.stderr.contains("there is no pull request to tell"), "{ended}");
    let ended = comment(&shop, &server, "no event", &untrusted);
    assert!(ended.code == 2 && ended.stderr.contains("event.json is no event of GitHub"), "{ended}");
    let ended = tollgate(&shop, &["report", "--untrusted", "untrusted"]).run();
    assert!(ended.code == 2 && ended.stderr.contains("--comment"), "{ended}");
}
