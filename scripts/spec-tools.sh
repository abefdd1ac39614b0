# Sourced by the scripts that look at the document or make clients of it: pinned tools, in folders that git ignores.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
export PATH=$PATH:/usr/sbin:/sbin REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true
export NO_UPDATE_NOTIFIER=1 npm_config_update_notifier=false

say() { echo "$*" >&2; }

# Debian packages by a program of each: need_program npm nodejs npm
need_program() {
  local program=$1
  shift
  command -v "$program" >/dev/null && return
  say "Installing Debian packages: $*"
  local apt=(apt-get -qq -o DPkg::Lock::Timeout=300)
  "${apt[@]}" update
  DEBIAN_FRONTEND=noninteractive "${apt[@]}" install --yes --no-install-recommends "$@" >/dev/null
}

# npm packages into a folder of their own, once for each list: npm_tools NAME package@version...
npm_tools() {
  local folder=build/tools/$1
  shift
  [ "$(cat "$folder/.installed" 2>/dev/null)" = "$*" ] && return
  need_program npm nodejs npm
  mkdir -p "$folder"
  npm install --prefix "$folder" --no-save --no-package-lock --no-audit --no-fund --loglevel=error "$@" >&2
  echo "$*" >"$folder/.installed"
}

redocly() {
  npm_tools redocly @redocly/cli@2.77.0
  build/tools/redocly/node_modules/.bin/redocly "$@"
}

spectral() {
  npm_tools spectral @stoplight/spectral-cli@6.16.3
  build/tools/spectral/node_modules/.bin/spectral "$@"
}
