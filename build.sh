#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: ./build.sh VERB
#
#   demo    set up, then broker, bridge and edge on a bundled clip; results as they are published
#   test    set up, check, then the tests; further words go to pytest
#   setup   system packages, Python environment in .venv, native part; does only what is missing
#   check   format, lint, types, import layers, shell scripts, line count
#   kernels compile the CUDA kernels ahead, kernels/lethe.fatbin; needs nvcc, and no GPU
#   clean   remove everything that this script made in this folder
#   help    this text
#
# System packages are installed by apt when this runs as root or sudo asks for no password;
# otherwise the command to type is printed. Nothing outside this folder is changed but by apt.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
VENV=$ROOT/.venv
# The system's own interpreter, whatever PATH says: `gi` and, on a Jetson, `tensorrt` live there.
PYTHON=/usr/bin/python3

SYSTEM_PACKAGES=(
  python3-venv python3-gi
  gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
  gcc libc6-dev pkg-config
  mosquitto mosquitto-clients
)
ROOMS=(wire kernels edge cloud_bridge calibration)

say() { printf '== %s\n' "$*"; }
die() { printf 'build.sh: %s\n' "$*" >&2; exit 1; }

# ---- setup -------------------------------------------------------------------------------------

setup() {
  cd "$ROOT"
  exec 9<"$ROOT/build.sh"
  flock -n 9 || { say "another build.sh is setting up; waiting"; flock 9; }
  if cuda_compiler >/dev/null; then SYSTEM_PACKAGES+=(g++ python3-dev); fi  # to compile PyCUDA
  system_packages
  environment
  python_packages
  native
  renderer
  pycuda
  exec 9<&-
}

is_root() { ((EUID == 0)); }

missing_packages() {
  local package
  for package in "${SYSTEM_PACKAGES[@]}"; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed \
      || echo "$package"
  done
}

system_packages() {
  command -v dpkg-query >/dev/null \
    || die "this script knows Debian and Ubuntu; what it needs there: ${SYSTEM_PACKAGES[*]}"
  local missing as_root=()
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]})) || return 0
  if ! is_root; then
    sudo -n true 2>/dev/null || die "these system packages are missing; please install them first:
  sudo apt-get update && sudo apt-get install --no-install-recommends ${missing[*]}"
    as_root=(sudo -n)
  fi
  apt_install "${missing[@]}"
  case " ${missing[*]} " in *" mosquitto "*) stop_system_broker ;; esac
}

apt_install() {  # uses as_root of its caller; whatever a package starts must not hold our lock
  say "system packages: $*"
  "${as_root[@]}" apt-get update -qq || say "the package lists could not be renewed; going on"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
    --no-install-recommends -o Dpkg::Use-Pty=0 "$@" 9<&- | sed -un 's/^Setting up \([^ ]*\).*/   \1/p'
}

stop_system_broker() {
  # The package starts a broker of its own. Only the program is wanted here.
  [[ -d /run/systemd/system ]] || return 0
  say "mosquitto.service, just installed, is stopped and disabled: nothing here uses it"
  "${as_root[@]}" systemctl disable --now --quiet mosquitto.service
}

environment() {
  [[ -x $PYTHON ]] || die "$PYTHON is missing: apt-get install python3"
  "$PYTHON" -I -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
    || die "Python 3.10 or later is needed; $PYTHON is $("$PYTHON" --version)"
  environment_fits && return
  say "environment in .venv from $("$PYTHON" --version), system packages visible"
  "$PYTHON" -I -m venv --clear --system-site-packages "$VENV"
}

environment_fits() {
  local version='import sys; print(sys.version, sys.base_prefix)'
  [[ -x $VENV/bin/python ]] \
    && grep -qx 'include-system-site-packages = true' "$VENV/pyvenv.cfg" \
    && grep -qF "$VENV" "$VENV/bin/activate" \
    && [[ $("$VENV/bin/python" -I -c "$version") == "$("$PYTHON" -I -c "$version")" ]]
}

python_packages() {
  stamp_fits packages requirements/dev.txt pyproject.toml && return
  say "Python packages, as locked in requirements/dev.txt (a minute or two the first time)"
  pip_install --no-deps --only-binary :all: --require-hashes -r requirements/dev.txt \
    | sed -un 's/^Collecting \([^ ]*\).*/   \1/p'
  # Left by an older environment it would report every start of a daemon; see requirements/lock.sh.
  "$VENV/bin/python" -I -m pip uninstall --quiet --yes openvino-telemetry 2>/dev/null
  pip_install --quiet --no-deps --no-build-isolation --editable .
  stamp packages requirements/dev.txt pyproject.toml
}

pip_install() { "$VENV/bin/python" -I -m pip --disable-pip-version-check install "$@"; }

native() {
  local library=edge/_wiping.so sources=(edge/*.c) flags
  [[ -f $library ]] && stamp_fits native edge/*.[ch] && return
  say "$library"
  read -ra flags < <(pkg-config --cflags --libs gstreamer-app-1.0 gstreamer-video-1.0)
  gcc -O2 -Wall -Wextra -shared -fPIC "${sources[@]}" -o "$library.new" "${flags[@]}"
  mv "$library.new" "$library"  # a daemon that runs keeps the file it has mapped
  stamp native edge/*.[ch]
}

# Wide vectors where this processor has them, but no fused operation and no reordering: the clips are
# the same, byte for byte, as with plain -O2. A library is for the kind of processor it was made on.
renderer() {
  local folder=calibration/rooms
  [[ -f $folder/_raster.so && -f $folder/_codec.so ]] \
    && stamp_fits renderer build.sh $folder/*.[ch] && return
  say "$folder/_raster.so, _codec.so"
  rooms_library raster "$folder/raster.c" "$folder/light.c"
  rooms_library codec "$folder/codec.c"
  stamp renderer build.sh $folder/*.[ch]
}

rooms_library() {  # rooms_library NAME source ...
  local library=calibration/rooms/_$1.so
  gcc -std=c11 -O3 -march=native -ffp-contract=off -fno-math-errno -fno-trapping-math -Wall -Wextra \
    -shared -fPIC "${@:2}" -o "$library.new"
  mv "$library.new" "$library"
}

cuda_compiler() { PATH=$PATH:/usr/local/cuda/bin type -P nvcc; }

cuda_root() { "$1" --dryrun -x cu /dev/null 2>&1 | sed -n 's/^#\$ TOP=//p'; }

pycuda() {
  local nvcc root work=build/pycuda
  if ! nvcc=$(cuda_compiler); then
    say "no nvcc, so no PyCUDA, and tests of the accelerator will be skipped: install the CUDA" \
      "toolkit (on a Jetson: apt-get install nvidia-jetpack) and run this again" >&2
    return
  fi
  root=$(cuda_root "$nvcc")
  stamp_fits pycuda requirements/pycuda.txt "$root/include/cuda.h" && return
  say "PyCUDA for the CUDA toolkit in $(readlink -f "$root") (three minutes, once)"
  rm -rf "$work" && mkdir -p "$work"
  "$VENV/bin/python" -I -m pip --disable-pip-version-check download --quiet --dest "$work" \
    --no-deps --no-build-isolation --no-binary :all: --require-hashes -r requirements/pycuda.txt
  tar -xzf "$work"/pycuda-*.tar.gz -C "$work" --strip-components 1
  # The driver's library is found when a program starts; to link, an empty one of its name will do.
  gcc -shared -Wl,-soname,libcuda.so.1 -x c /dev/null -o "$work/libcuda.so"
  printf '%s = %s\n' CUDA_ROOT "'$root'" CUDADRV_LIB_DIR "['$ROOT/$work']" \
    CUDA_ENABLE_CURAND False CXXFLAGS "['-g0']" >"$work/siteconf.py"
  LDFLAGS=-Wl,--no-as-needed pip_install --quiet --no-deps --no-build-isolation "./$work"
  rm -rf "$work"
  stamp pycuda requirements/pycuda.txt "$root/include/cuda.h"
}

# A stamp is the digest of what a step was made from; the same digest means nothing to do.
digest() { { sha256sum "$@" && { pkg-config --modversion gstreamer-1.0 2>/dev/null || true; }; } | sha256sum; }
stamp() { mkdir -p "$VENV" && digest "${@:2}" >"$VENV/$1.stamp"; }
stamp_fits() { [[ -f $VENV/$1.stamp ]] && digest "${@:2}" | cmp -s - "$VENV/$1.stamp"; }

# ---- kernels -----------------------------------------------------------------------------------

# Machine code for an Orin, for a server's GPU and for a Thor, and PTX for what comes after them.
KERNEL_TARGETS=(87 90 110)
KERNEL_PTX=87

kernels() {
  local nvcc root fatbin=kernels/lethe.fatbin
  cd "$ROOT"
  nvcc=$(cuda_compiler) || die "no nvcc, so no kernels for a GPU; all the rest works without them.
  Install the CUDA toolkit (https://developer.nvidia.com/cuda-downloads; on a Jetson: apt-get
  install nvidia-jetpack) and run this again."
  root=$(cuda_root "$nvcc")
  [[ -f $fatbin ]] && stamp_fits kernels kernels/*.cu "$root/bin/ptxas" \
    && say "$fatbin is up to date" && return
  say "$fatbin"
  compile_kernels "$nvcc" "$fatbin.new" || die "the kernels do not compile; nothing is changed"
  mv "$fatbin.new" "$fatbin"
  stamp kernels kernels/*.cu "$root/bin/ptxas"
}

compile_kernels() {  # compile_kernels NVCC FILE; a variable that does not fit in registers is an error
  local target known flags=(-gencode "arch=compute_$KERNEL_PTX,code=compute_$KERNEL_PTX")
  known=$("$1" --list-gpu-arch)
  for target in "${KERNEL_TARGETS[@]}"; do
    if grep -qx "compute_$target" <<<"$known"; then
      flags+=(-gencode "arch=compute_$target,code=sm_$target")
    else
      say "without sm_$target, which this nvcc does not know: CUDA 13.0 or later does" >&2
    fi
  done
  "$1" -std=c++17 -O3 -Werror all-warnings -Xptxas -v,-warn-spills,-warn-lmem-usage \
    "${flags[@]}" -fatbin kernels/lethe.cu -o "$2" 2>&1 | kernel_sizes
}

kernel_sizes() {  # one line for each kernel of what `ptxas -v` says, and every other line as it is
  awk -v quote="'" '
    /^ptxas info.*Compiling entry/ { split($0, part, quote); kernel = part[2] " on " part[4]; next }
    /bytes stack frame/ { memory = $0; next }
    /^ptxas info.*Used/ { sub(/.*Used/, "Used"); print "   " kernel ": " $0 ";" memory; next }
    !/^ptxas info/ { print > "/dev/stderr" }'
}

# ---- check and test ----------------------------------------------------------------------------

check() {
  cd "$ROOT"
  say "format and lint"
  "$VENV/bin/ruff" format --quiet --check .
  "$VENV/bin/ruff" check --quiet .
  say "types"
  "$VENV/bin/mypy"
  say "import layers"
  "$VENV/bin/lint-imports" --no-logo
  check_shell
  say "lines that an auditor of the device must read"
  find wire kernels edge -name '*.py' -print0 -o -name '*.[ch]' -print0 -o -name '*.cu' -print0 | wc -l --files0-from=- | tail -1
}

check_shell() {
  local PATH=$VENV/bin:$PATH
  if command -v shellcheck >/dev/null; then
    say "shell scripts"
    shellcheck build.sh .ci/run requirements/lock.sh
  else
    say "shell scripts: not checked, shellcheck is not installed"
  fi
}

run_tests() {
  say "tests"
  cd "$ROOT"
  "$VENV/bin/python" -m pytest \
    -m 'not gpu and not jetson and not slow and not synth and not train' "$@"
}

# ---- the rest ----------------------------------------------------------------------------------

demo() {
  cd "$ROOT"
  exec "$VENV/bin/python" -m calibration demo "$@"
}

clean() {
  cd "$ROOT"
  rm -rf .venv build lethe.egg-info edge/_wiping.so edge/_wiping.so.new \
    kernels/lethe.fatbin kernels/lethe.fatbin.new \
    calibration/rooms/_*.so calibration/rooms/_*.so.new \
    .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
  find "${ROOMS[@]}" models tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
}

help() { sed -n '4,/^$/ { s/^# \{0,1\}//; p }' "$ROOT/build.sh"; }

main() {
  local verb=${1:-help}
  (($#)) && shift
  unset PYTHONPATH PYTHONHOME VIRTUAL_ENV
  trap 'exit 130' INT
  case $verb in
    demo) setup; demo "$@" ;;
    test) setup; check; run_tests "$@" ;;
    setup | kernels | clean | help) "$verb" ;;
    check) setup; check ;;
    *) help >&2; die "no verb called '$verb'" ;;
  esac
}

[[ ${BASH_SOURCE[0]} != "$0" ]] || main "$@"  # sourced by its tests, it only defines
