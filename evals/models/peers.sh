#!/usr/bin/env bash
# Our three wires against real servers on loopback: LiteLLM in front of a scripted upstream, and llama.cpp where it is there.
# usage: evals/models/peers.sh PEERS VENV [LLAMA_SERVER MODEL.gguf]
#   PEERS  a folder with fake_openai.py and litellm_upstream.yaml
#   VENV   a Python environment with: pip install 'litellm[proxy]' aiohttp
# Nothing here calls the outside, and nothing of it is a part of the product.
set -u
peers=$1; venv=$2; llama=${3:-}; gguf=${4:-}
cd "$(dirname "$0")/../.."
key=sk-bench-local-only-0123456789abcdef0123456789abcdef
pids=(); trap 'kill "${pids[@]}" 2>/dev/null' EXIT
cargo build -q -p sinew-reasoning --example peers || exit 1
program=${CARGO_TARGET_DIR:-target}/debug/examples/peers
up() { # URL SECONDS
  for _ in $(seq $(( $2 * 4 ))); do curl -s -o /dev/null "$1" && return 0; sleep 0.25; done
  echo "no answer at $1"; return 1
}
"$venv/bin/python" "$peers/fake_openai.py" 4200 & pids+=($!)
up http://127.0.0.1:4200/v1/models 20 || exit 1
export LITELLM_LOCAL_MODEL_COST_MAP=True LITELLM_TELEMETRY=False LITELLM_LOG=ERROR DISABLE_ADMIN_UI=True NO_PROXY=127.0.0.1
"$venv/bin/litellm" --config "$peers/litellm_upstream.yaml" --host 127.0.0.1 --port 4100 >/dev/null 2>&1 & pids+=($!)
up http://127.0.0.1:4100/health/liveliness 240 || exit 1
failed=0
echo "== scripted upstream, alone"
"$program" http://127.0.0.1:4200 "$key" ok --only openai --limited 429-7 || failed=1
echo "== LiteLLM in front of it"
"$program" http://127.0.0.1:4100 "$key" up-ok --limited up-429 || failed=1
if [ -n "$llama" ]; then
  "$llama" -m "$gguf" --host 127.0.0.1 --port 4300 -c 2048 >/dev/null 2>&1 & pids+=($!)
  up http://127.0.0.1:4300/health 60 || exit 1
  echo "== llama.cpp, alone"
  "$program" http://127.0.0.1:4300 "$key" tiny --only openai,anthropic || failed=1
fi
exit $failed
