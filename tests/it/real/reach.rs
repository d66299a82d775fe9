//! Which containers run what a registry's tag leads to, also when the image is gone.

use std::time::Duration;

use crate::harness::time::{LATER, wait_for};
use crate::harness::{Recorder, machine, reaper};

use super::engine::{self, Engine};
use super::registry::service::Service;

const SEEN_WITHIN: Duration = Duration::from_secs(90);

/// Ports are free: the engine's network namespace is its own.
const PORT: u16 = 5000;

#[test]
fn a_tag_leads_to_the_containers_that_run_it_though_the_image_is_deleted() {
    let _together = machine::shared();
    if let Some(reason) = engine::missing() {
        return machine::not_run(reason);
    }
    if !machine::has("docker-registry") {
        return machine::not_run("docker-registry is not installed");
    }
    let engine = Engine::start(|_| {}, &["--bridge", "none", "--iptables=false"]);
    let directory = reaper::directory();
    let config = format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}/storage}}}}\nhttp: {{addr: 127.0.0.1:{PORT}}}\n",
        directory.display()
    );
    let _registry = Service::start(&directory, "registry", PORT, &config, Some(&engine.network()));

    // Two images of their own, both pushed, one of them run.
    let name = |repository: &str| format!("127.0.0.1:{PORT}/shop/{repository}:1.0");
    for repository in ["cart", "idle"] {
        let container = engine.docker(&["create", "bb:1.0", "true"]);
        let change = format!("LABEL of={repository}");
        engine.docker(&["commit", "--change", &change, &container, &name(repository)]);
        engine.docker(&["rm", &container]);
        engine.docker(&["push", &name(repository)]);
    }
    engine.docker(&["run", "--detach", "--name", "cart-1", "--network", "none", &name("cart"), "sleep", "1000"]);
    let sources = format!(
        "[source.host]\nenabled = false\n[[source.docker]]\nname = \"node\"\nurl = {:?}\ninterval = \"3s\"\n\
         timeout = \"2900ms\"\n[[source.registry]]\nname = \"hub\"\nurl = \"http://127.0.0.1:{PORT}\"\n\
         interval = \"5s\"\ntimeout = \"4900ms\"\n",
        engine.url()
    );
    let mut recorder = Recorder::start_in(&directory, &sources, Some(&engine.network()));

    let range = format!("start=-1h&end={LATER}");
    let digest = |recorder: &Recorder, repository: &str| {
        wait_for(&format!("the digest of {repository}"), SEEN_WITHIN, || {
            let path = format!("/api/v1/entities/tag?repository=shop/{repository}&tag=1.0&{range}");
            recorder.json(&path)["entities"][0]["attributes"]["digest"].as_str().map(str::to_owned)
        })
    };
    let running = |recorder: &Recorder, condition: &str| -> Vec<String> {
        let answer = recorder.json(&format!("/api/v1/entities/container?{condition}&start=-15s&end={LATER}"));
        let entities = answer["entities"].as_array().unwrap();
        entities.iter().map(|entity| entity["attributes"]["name"].as_str().unwrap().to_owned()).collect()
    };
    let (cart, idle) = (digest(&recorder, "cart"), digest(&recorder, "idle"));
    assert_ne!(cart, idle);
    let by_digest = format!("image_digest={cart}");
    wait_for("the container that runs it", SEEN_WITHIN, || {
        Some(running(&recorder, &by_digest)).filter(|names| *names == ["cart-1"])
    });
    assert_eq!(running(&recorder, &format!("image_digests=*@{cart}")), ["cart-1"]);
    assert_eq!(running(&recorder, &format!("image_digests=127.0.0.1:{PORT}/shop/cart@*")), ["cart-1"]);
    assert!(running(&recorder, &format!("image_digest={idle}")).is_empty(), "nothing runs it");
    // The container's image id is what the registry says, too.
    let image_id = |path: &str| {
        let answer = recorder.json(&format!("/api/v1/entities/{path}&{range}"));
        answer["entities"][0]["attributes"]["image_id"].as_str().unwrap().to_owned()
    };
    assert_eq!(image_id("container?name=cart-1"), image_id("tag?repository=shop/cart&tag=1.0"));

    let unused = recorder.json(&format!("/api/v1/reports/unused_tags?start=-1h&end={LATER}"));
    let unused: Vec<&serde_json::Value> =
        unused["rows"].as_array().unwrap().iter().map(|row| &row["repository"]).collect();
    assert_eq!(unused, ["shop/idle"], "the tag that no container has run");

    // Untagged, the engine knows no digest of it any more; nor does a recorder that starts then.
    engine.docker(&["rmi", "--force", &name("cart")]);
    assert_eq!(engine.docker(&["inspect", "--format", "{{.State.Running}}", "cart-1"]), "true");
    recorder.kill_and_restart();
    let told = wait_for("the container after the restart", SEEN_WITHIN, || {
        Some(running(&recorder, "name=cart-1")).filter(|names| !names.is_empty())
    });
    assert_eq!(told, ["cart-1"]);
    // A change of its facts is told in full, so that a digest that was lost would be lost now.
    engine.docker(&["rename", "cart-1", "cart-one"]);
    wait_for("its new name", SEEN_WITHIN, || {
        Some(running(&recorder, "name=cart-one")).filter(|names| *names == ["cart-one"])
    });
    assert_eq!(running(&recorder, &by_digest), ["cart-one"]);
}
