# SPDX-License-Identifier: Apache-2.0
"""Work done before deployment: it decides the numbers that a device merely obeys.

A workstation runs this. It may import every other room; none of them imports it.
"""
