"""`synctalk serve`: the web pages, for this machine unless told otherwise."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import logging
import secrets
import socket
import webbrowser
from typing import TYPE_CHECKING, Any

from synctalk.commands.root_option import with_root
from synctalk.errors import ExitCode, InputError, MissingPartError
from synctalk.log import get_logger

if TYPE_CHECKING:
    import uvicorn

PORT = 7860
_log = get_logger(__name__)


def add_parsers(commands: Any, *, parents: list[argparse.ArgumentParser]) -> None:
    """Add `serve` to the program."""
    parser = commands.add_parser("serve", parents=parents, help="open the web pages: record, train, watch, download")
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS",
        help="where to listen (default: %(default)s, this machine only; elsewhere visitors need a token)",
    )  # fmt: skip
    parser.add_argument(
        "--port", type=int, default=PORT, help="on which port; 0 takes a free one (default: %(default)s)"
    )
    parser.add_argument("--name", action="append", default=[], metavar="NAME", help="a name this server is called by")
    parser.add_argument("--token", action="store_true", help="ask for a token on this machine, too")
    parser.add_argument(
        "--open", action=argparse.BooleanOptionalAction, default=False, help="open the page in the browser"
    )
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> ExitCode:
    """Serve until Ctrl-C. Runs that were started go on without the server.

    Raises:
        InputError: The address cannot be used.
        MissingPartError: The web libraries are not installed.
        LockError: Another server works at this root.
    """
    listener = _listen(args.host, args.port)
    with listener:
        is_loopback = ipaddress.ip_address(listener.getsockname()[0]).is_loopback
        token = secrets.token_urlsafe(32) if args.token or not is_loopback else ""
        server = _build_server(args, token=token, is_loopback=is_loopback)
        _announce(listener, token=token, is_loopback=is_loopback, should_open=args.open)
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        with contextlib.suppress(KeyboardInterrupt):  # the signal that ended it, raised again by the library
            server.run(sockets=[listener])
    print(with_root("stopped; runs that were started go on: synctalk status", args.root))
    return ExitCode.DONE


def _build_server(args: argparse.Namespace, *, token: str, is_loopback: bool) -> uvicorn.Server:
    try:
        import uvicorn  # noqa: PLC0415 - an extra, and only needed here

        from synctalk.dashboard.app import build_app  # noqa: PLC0415 - the same
        from synctalk.dashboard.desk import set_up_desk  # noqa: PLC0415 - the same
    except ImportError as error:
        raise MissingPartError(
            f"the web pages need a library that is not installed ({error.name})", hint="pip install 'synctalk[web]'"
        ) from error
    own_names = {"localhost", *(name.lower() for name in args.name)}
    own_names |= set() if is_loopback else {socket.gethostname().lower()}
    desk = set_up_desk(args.root, token=token)
    app = build_app(desk, hosts=frozenset(own_names), is_loopback=is_loopback)
    server = uvicorn.Server(
        uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, proxy_headers=False, ws="none", http="h11",
            timeout_graceful_shutdown=2, h11_max_incomplete_event_size=64 << 10, limit_concurrency=512,
        )
    )  # fmt: skip
    desk.watch.end_when(lambda: server.should_exit)
    return server


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise InputError(f"there is no port {port}", hint=f"choose one up to 65535, for example --port {PORT}")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(128)  # whoever opens the page at once waits instead of being turned away
        except OSError:
            listener.close()
            raise
    except OSError as error:
        hint = "another program has the port; try --port 0" if host in {"127.0.0.1", "localhost"} else "check --host"
        raise InputError(f"cannot listen on {host}, port {port}: {error.strerror}", hint=hint) from error
    return listener


def _announce(listener: socket.socket, *, token: str, is_loopback: bool, should_open: bool) -> None:
    host, port = listener.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = socket.gethostname()
    url = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
    print(f"synctalk: {url}", flush=True)
    if not is_loopback:
        print("everybody in your network can reach this address; what they send can be read on the way")
        print("safer: leave out --host and use a tunnel (ssh -L) or a proxy with HTTPS")
    if token:
        print(f"token (shown once): {token}", flush=True)
    print("Ctrl-C ends the pages; runs that were started go on", flush=True)
    if should_open and not webbrowser.open(url):
        _log.info("no browser could be opened; the address is above")
