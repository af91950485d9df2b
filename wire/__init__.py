# SPDX-License-Identifier: Apache-2.0
"""What two machines must agree on: profile, sealed message, topics, results, errors.

The rules are in SPEC.md beside this file. Nothing here does IO except reading and writing a
profile's file and the published schemas; nothing of ours is imported.
"""
