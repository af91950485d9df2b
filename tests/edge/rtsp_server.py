# SPDX-License-Identifier: Apache-2.0
"""A network camera with a user and a password, for test_rtsp.py: rtsp_server.py USER PASSWORD.

Prints the port that it listens on. It sends sound, too, which nobody should decode.
"""

from __future__ import annotations

import os
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

STREAMS = (
    "( videotestsrc is-live=true pattern=ball ! "
    "video/x-raw,format=I420,width=320,height=240,framerate=25/1 ! "
    "jpegenc ! rtpjpegpay name=pay0 pt=26 "
    "audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay1 pt=8 )"
)


def main() -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service(sys.argv[3] if len(sys.argv) > 3 else "0")
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    guard = GstRtspServer.RTSPAuth.new()
    guard.add_basic(GstRtspServer.RTSPAuth.make_basic(*sys.argv[1:3]), token)
    server.set_auth(guard)
    permissions = GstRtspServer.RTSPPermissions()
    for act in ("access", "construct"):
        permissions.add_permission_for_role("viewer", f"media.factory.{act}", True)  # noqa: FBT003
    factory = GstRtspServer.RTSPMediaFactory.new()
    factory.set_launch(STREAMS)
    factory.set_permissions(permissions)
    server.get_mount_points().add_factory("/door", factory)
    server.attach(None)
    os.write(1, f"{server.get_bound_port()}\n".encode())
    GLib.MainLoop().run()


main()
