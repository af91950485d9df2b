# SPDX-License-Identifier: Apache-2.0
"""Training: from labelled clips to encoder, projection and family."""
