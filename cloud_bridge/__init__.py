# SPDX-License-Identifier: Apache-2.0
"""The bridge: it admits signed vectors, recognises behaviour and publishes results.

It has no code that could decode a picture, and it imports `wire` and nothing else of ours.
"""
