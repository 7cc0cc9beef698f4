//! The proxy LiteLLM, started in front of the same upstream, as a peer: one worker, no database, no calls to the outside.
//!
//! Not a part of the product; it is there only where a person has installed it.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};

use super::tally::rss_mb;

/// The proxy refuses short keys. It guards nothing: all of it is on loopback and gone after the measurement.
pub(super) const KEY: &str = "sk-bench-local-only-0123456789abcdef0123456789abcdef";
/// It takes half a minute to start on a quiet machine.
const START_MAX: Duration = Duration::from_secs(240);

/// The running proxy; killed when dropped.
pub(super) struct LiteLlm {
    child: Child,
    port: u16,
}

impl LiteLlm {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// Where it is not installed in `venv` or does not come up.
    pub(super) async fn start(venv: &Path, folder: &Path, upstream: SocketAddr) -> Result<Self> {
        let program = venv.join("bin/litellm");
        if !program.exists() {
            bail!("`{}` has no bin/litellm; install it there with: pip install 'litellm[proxy]'", venv.display());
        }
        std::fs::create_dir_all(folder)?;
        let config = folder.join("litellm.yaml");
        std::fs::write(&config, config_for(upstream))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(&program);
        command.arg("--config").arg(&config).args(["--host", "127.0.0.1", "--num_workers", "1", "--port"]);
        command
            .arg(port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        for (name, value) in [
            ("LITELLM_LOCAL_MODEL_COST_MAP", "True"),
            ("LITELLM_TELEMETRY", "False"),
            ("LITELLM_LOG", "ERROR"),
            ("DISABLE_ADMIN_UI", "True"),
            ("NO_PROXY", "127.0.0.1"),
        ] {
            command.env(name, value);
        }
        let child = command.spawn().with_context(|| format!("cannot start `{}`", program.display()))?;
        let proxy = Self { child, port };
        proxy.wait().await?;
        Ok(proxy)
    }

    async fn wait(&self) -> Result<()> {
        let (begun, client) = (Instant::now(), reqwest::Client::new());
        let url = format!("{}/health/liveliness", self.url());
        while begun.elapsed() < START_MAX {
            if client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        bail!("litellm did not come up within {} s", START_MAX.as_secs())
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn rss_mb(&self) -> f64 {
        self.child.id().map_or(0.0, rss_mb)
    }
}

fn config_for(upstream: SocketAddr) -> String {
    format!(
        "model_list:\n  - model_name: bench\n    litellm_params:\n      model: hosted_vllm/bench\n      api_base: \
         http://{upstream}/v1\n      api_key: sk-none\nrouter_settings: {{num_retries: 0, disable_cooldowns: true}}\n\
         litellm_settings: {{num_retries: 0, callbacks: [], telemetry: false}}\ngeneral_settings:\n  master_key: {KEY}\n"
    )
}
