# SPDX-License-Identifier: Apache-2.0
"""The release mechanism: from an embedding to a short noisy vector, in integers only.

`reference.py` is the definition, in NumPy; a kernel for an accelerator must equal it bit for bit.
`README.md` names the dimensions. Nothing of ours is imported here.
"""
