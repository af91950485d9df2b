# SPDX-License-Identifier: Apache-2.0
"""People who never existed in rooms that nobody filmed."""
