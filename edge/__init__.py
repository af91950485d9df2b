# SPDX-License-Identifier: Apache-2.0
"""The daemon beside the camera: a frame becomes a short noisy vector, and the frame is wiped.

It knows `wire` and `kernels`. It knows neither the cloud nor the workstation.
"""
