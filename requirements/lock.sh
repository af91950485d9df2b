#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Write runtime.txt, dev.txt and train.txt anew: exact versions with hashes, for CPython 3.10 and
# later on Linux, x86_64 and aarch64. Needs `uv`. Run by hand, review the difference, commit it.
#
# openvino-telemetry is left out on purpose: with it, every `import openvino` reports to its maker
# and leaves an identifier in the user's home. OpenVINO does without. So install with --no-deps.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

lock() {  # lock FILE [uv option ...]
  local file=$1
  shift
  uv pip compile pyproject.toml -o "requirements/$file" --quiet --universal \
    --python-version 3.10 --generate-hashes --no-emit-index-url --no-annotate \
    --constraints requirements/constraints.txt --no-emit-package openvino-telemetry \
    --custom-compile-command requirements/lock.sh "$@"
}

lock runtime.txt
lock dev.txt --extra dev --constraints requirements/runtime.txt
lock train.txt --extra dev --extra train --constraints requirements/dev.txt

# PyTorch's own CPU wheels carry the same version and other bytes than the package index's. Accept
# those that were used to train the shipped models as well.
while read -r hash _; do
  grep -q "sha256:$hash" requirements/train.txt && continue  # uv keeps what the file had before
  sed -i "/^torch==/a\\    --hash=sha256:$hash \\\\" requirements/train.txt
done < <(grep -v '^#' requirements/torch-cpu.sha256)
