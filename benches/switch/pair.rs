//! Two servers that don't fit on the GPU together, and a switch from one to the other.

use std::time::{Duration, Instant, SystemTime};

use crate::script;
use crate::support::gpu::FakeGpu;
use crate::support::server::diary;
use crate::support::{ModelServer, Running, Scene};

/// How long a server takes to end when it is told to.
const STOP: &str = "300ms";
/// The driver's time: memory is free again so long after its holder is gone.
const LAG: Duration = Duration::from_millis(500);

pub(crate) struct Pair {
    scene: Scene,
    fake: FakeGpu,
    first: ModelServer,
    second: ModelServer,
}

impl Pair {
    /// The second one loads for so long.
    pub(crate) fn new(load: Duration) -> Self {
        let (scene, fake) = (Scene::without_containers(), FakeGpu::idle(1));
        let server = |name: &str, options: &str| {
            let diary = scene.path(&format!("{name}.diary")).display().to_string();
            let server = ModelServer::new(name).on(&fake, 0, 60_000).with(options);
            server.option("--diary", diary)
        };
        let first = server("first", &format!("--stop {STOP} --vram-lag {}ms", LAG.as_millis()));
        let second = server("second", &format!("--load {}ms", load.as_millis()));
        let entry = |server: &ModelServer| {
            format!(
                "  {}: {{type: native, vram_mb: 60000, start_cmd: {}, health: {{url: '{}'}}}}\n",
                server.name,
                server.start_cmd(),
                server.url("/health")
            )
        };
        scene.write("services.yaml", &format!("services:\n{}{}", entry(&first), entry(&second)));
        Self { scene, fake, first, second }
    }

    /// Seconds that `lem switch` adds: the whole process, less the servers' own time.
    pub(crate) fn by_lem(self) -> f64 {
        self.lem(&["service", "ensure", "first"]);
        let began = Instant::now();
        self.lem(&["switch", "second"]);
        self.beyond_the_servers(began.elapsed())
    }

    /// Seconds that the script adds.
    pub(crate) fn by_script(self) -> f64 {
        let mut first = self.first.start();
        self.first.loads();
        let began = Instant::now();
        script::stop(&mut first);
        let second = script::start(&self.second);
        let added = self.beyond_the_servers(began.elapsed());
        drop(second);
        added
    }

    fn lem(&self, words: &[&str]) {
        Running::start(self.fake.furnish(&mut self.scene.command(words))).wait().expect(0);
    }

    /// What is left of `whole` without the end of the first server, the return of its memory and
    /// the loading of the second.
    fn beyond_the_servers(&self, whole: Duration) -> f64 {
        assert!(self.when("second", "loaded") <= now_ms(), "a server was healthy before it loaded");
        let ended = self.when("first", "stopped") - self.when("first", "told to stop");
        let loaded = self.when("second", "loaded") - self.when("second", "started");
        let own = Duration::from_millis(ended + loaded) + LAG;
        whole.as_secs_f64() - own.as_secs_f64()
    }

    /// Unix ms.
    fn when(&self, server: &str, event: &str) -> u64 {
        let lines = diary(self.scene.path(&format!("{server}.diary")), event);
        lines.last().expect("an event")["at_ms"].as_u64().unwrap()
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}
