"""Connecting to a device by its address."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from bitweir_hw.accelerator import parameter_image, with_parameters_of
from bitweir_hw.checked import hertz, real, whole
from bitweir_hw.errors import LinkError
from bitweir_hw.files import load_network
from bitweir_hw.network import Network

from ..design import DesignFolder
from ..progress import Progress, silent
from .client import Client
from .golden import CpuDevice, GoldenDevice
from .interface import FIXED, Device
from .linked import LinkedDevice, check_holds, network_digest
from .spi import DEFAULT_RATE, SpiPort, SpiTransport, open_port
from .transport import SerialTransport, Transport

if TYPE_CHECKING:
    from .simulated import SimulatedBoard

__all__ = ["DEFAULT_BAUD", "check_loadable", "connect", "named_network", "simulated_board"]

#: The rate that boards are built for where their clock allows it.
DEFAULT_BAUD = 3_000_000
#: Seconds.
MOST_MARGIN = 3600.0


def connect(
    url: str | SpiPort,
    *,
    network: Network | Path | str | None = None,
    baud: int | None = None,
    margin: float = 0.1,
    rounds: int = 8,
    progress: Progress = silent,
) -> Device:
    """Connect to an accelerator.

    Parameters
    ----------
    url : str or SpiPort
        An SPI port, which is an object with ``transfer(bytes) -> bytes``; or the address of the device:

        - ``serial:///dev/ttyUSB1`` or ``serial:COM3``: a board at a serial port;
        - ``spi:/dev/spidev0.0`` or ``spi:ftdi://ftdi:232h/1``: a board at an SPI port of Linux, or of a chip of FTDI;
        - ``sim:FOLDER``: the simulated board of a build folder, with ``?clock=`` in Hz; parameters in RAM are
          loaded into it: those of `network`, if one is given; so are streamed weights;
        - ``golden:FILE``: the golden model of a network file or build folder, in NumPy;
        - ``cpu:FILE``: the same in kernels for this CPU, with ``?threads=``; they are compiled at their first use.

        Boards, also simulated ones, take ``?baud=``, too: for SPI it is the rate of SCK in Hz.
    network : Network or path of a network file or build folder, optional
        The network that the device should hold. Bundled networks, and that of ``sim:``, are known without it. Where
        weights are streamed and the device says that they are missing, they are loaded from the build folder.
    baud : int, optional
        Bits per second; the default is 3,000,000, and for SPI 1,000,000.
    margin : float
        Seconds that an answer may take in addition to the time on the wire and in the accelerator, before the
        device is asked again.
    rounds : int
        The number of times that the device is asked in a row before there is an error; each wait is longer.
    progress : Progress
        Shows what is under way, and how far streamed weights are loaded.

    Returns
    -------
    Device
        A context manager, with `classify` and `run`.

    Raises
    ------
    LinkError
        The address is malformed, or a number is out of its range; no accelerator answers there, or it holds another
        network.
    NetworkError, FileError
        The file of the network, or the build folder, is missing or damaged.
    ToolError
        The kernels of ``cpu:`` cannot be compiled.

    Examples
    --------
    >>> with bitweir.connect("serial:///dev/ttyUSB1") as device:
    ...     classes = device.classify(images)
    """
    if baud is not None:
        baud = whole(baud, "The baud rate", error=LinkError)
    margin = real(margin, "The margin", high=MOST_MARGIN, unit="seconds", error=LinkError)
    rounds = whole(rounds, "The number of rounds", error=LinkError)
    if not isinstance(url, str):
        if not callable(getattr(url, "transfer", None)):
            raise LinkError(f"A device must be an address, or have a method transfer, not {url!r:.60}.")
        opened: _Opened = SpiTransport(url, baud or DEFAULT_RATE), None
        return _connected("an SPI port", lambda: opened, network, margin=margin, rounds=rounds, progress=progress)
    scheme, _, rest = url.partition(":")
    place, _, query = rest.partition("?")
    place = place.removeprefix("//")
    if scheme not in _FORMS or not place:
        raise LinkError(f"A device must be {', '.join(_FORMS.values())}, not {url!r}.")
    options = _options(scheme, parse_qsl(query, keep_blank_values=True) + ([("baud", str(baud))] if baud else []))
    if scheme not in ("golden", "cpu"):
        opener = _OPENERS[scheme]
        return _connected(
            url, lambda: opener(place, options), network, margin=margin, rounds=rounds, progress=progress
        )  # fmt: skip
    known, _ = _named(network)
    with progress(f"Connecting to {url}" + (" (kernels are kept for the next time)" if scheme == "cpu" else "")):
        held = named_network(Path(place))
        check_holds(network_digest(held), known)
        return GoldenDevice(held) if scheme == "golden" else CpuDevice(held, options.get("threads"))


def _named(network: Network | Path | str | None) -> tuple[Network | None, DesignFolder | None]:
    """The network that a user names, and the folder, if it is one."""
    if not isinstance(network, Path | str):
        return network, None
    named = DesignFolder.open(Path(network)) if Path(network).is_dir() else None
    return named.network if named else load_network(Path(network)), named


def _connected(
    where: str,
    opening: Callable[[], _Opened],
    network: Network | Path | str | None,
    *,
    margin: float,
    rounds: int,
    progress: Progress,
) -> Device:
    """The device behind a transport, with its streamed weights."""
    known, named = _named(network)
    with progress(f"Connecting to {where}"):
        device, build = _linked(opening(), known, margin=margin, rounds=rounds)
    try:
        if (folder := build or named) and device.identity.weights and not device.identity.parameters:
            with progress("Loading the weights") as shown:
                device.load(folder.design.weight_image(), folder.network, progress=shown)
        return device
    except BaseException:
        device.close()
        raise


def check_loadable(url: str) -> None:
    """Refuse a simulated board whose parameters are fixed, before it is compiled.

    Raises
    ------
    LinkError
        They are.
    FileError
        The build folder is missing or damaged.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "sim" and (place := rest.partition("?")[0].removeprefix("//")):
        build = DesignFolder.open(Path(place))
        if build.plan.weights != "ram" and not build.pipeline.weight_streams:
            raise LinkError(FIXED)


def _linked(
    opened: _Opened, network: Network | None, *, margin: float, rounds: int
) -> tuple[LinkedDevice, DesignFolder | None]:
    """The device behind a transport, which parameters in RAM are loaded into where it is simulated."""
    transport, build = opened
    try:
        client = Client(transport, margin=margin, rounds=rounds)
        device = LinkedDevice(client, network or (build.network if build else None))
        if build and device.identity.loads:
            held = network or build.network
            device.load(parameter_image(with_parameters_of(held, build.network, build.plan)), held)
        return device, build
    except BaseException:
        transport.close()
        raise


def named_network(path: Path) -> Network:
    """Load the network of a network file or a build folder.

    Raises
    ------
    NetworkError, FileError
        It is missing or damaged.
    """
    return DesignFolder.open(path).network if path.is_dir() else load_network(path)


def simulated_board(
    build: DesignFolder, *, clock: int | None = None, baud: int | None = None, faults: float = 0.0, seed: int = 0
) -> SimulatedBoard:
    """Start the simulated board of a build; see `simulated.SimulatedBoard`.

    Raises
    ------
    LinkError
        This system has no pseudo-terminals; or as `SimulatedBoard`.
    ToolError
        As `SimulatedBoard`.
    """
    try:
        from .simulated import SimulatedBoard
    except ImportError as error:
        raise LinkError("Simulated boards need pseudo-terminals, which this system does not have.") from error
    return SimulatedBoard(build, clock=clock, baud=baud, faults=faults, seed=seed)


def _options(scheme: str, given: Sequence[tuple[str, str]]) -> dict[str, int]:
    options = {}
    for name, value in given:
        if name not in _OPTIONS[scheme]:
            known = f"the options {' and '.join(_OPTIONS[scheme])}" if _OPTIONS[scheme] else "no options"
            if name == "baud":
                raise LinkError(f"{scheme}: has no link, so leave out the baud rate (--baud, in Python baud=).")
            raise LinkError(f"{scheme}: takes {known}, not {name!r}.")
        if not value.isdecimal() or not int(value):
            raise LinkError(f"The option {name} of a device must be a positive integer, not {value!r}.")
        options[name] = round(hertz(int(value))) if name == "clock" else int(value)
    return options


#: The way to a device, and of a simulated one the build.
_Opened = tuple[Transport, DesignFolder | None]


def _serial(place: str, options: Mapping[str, int]) -> _Opened:
    return SerialTransport(place, options.get("baud", DEFAULT_BAUD)), None


def _spi(place: str, options: Mapping[str, int]) -> _Opened:
    rate = options.get("baud", DEFAULT_RATE)
    return SpiTransport(open_port(place, rate), rate, name=place), None


def _simulated(place: str, options: Mapping[str, int]) -> _Opened:
    build = DesignFolder.open(Path(place))
    if build.target.platform and build.target.platform.spi:
        from .simulated import SimulatedSpiBoard, SpiBoardTransport

        port = SimulatedSpiBoard(build, clock=options.get("clock"), rate=options.get("baud"))
        return SpiBoardTransport(port), build
    board = simulated_board(build, **options)
    try:
        from .simulated import BoardTransport

        return BoardTransport(board), build
    except BaseException:
        board.close()
        raise


_FORMS = {"serial": "serial:PORT", "spi": "spi:PORT", "sim": "sim:FOLDER", "golden": "golden:FILE", "cpu": "cpu:FILE"}
_OPTIONS: dict[str, tuple[str, ...]] = {
    "serial": ("baud",),
    "spi": ("baud",),
    "sim": ("baud", "clock"),
    "golden": (),
    "cpu": ("threads",),
}
_OPENERS: dict[str, Callable[[str, Mapping[str, int]], _Opened]] = {"serial": _serial, "spi": _spi, "sim": _simulated}
