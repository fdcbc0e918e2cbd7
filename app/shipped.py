"""The data that ships with the product: certificate profiles, rulebooks, the sample spring."""

from importlib import resources
from pathlib import Path

from ca import profiles as ca_profiles
from ca.profiles import Profiles


def profiles() -> Profiles:
    """Return the certificate profiles."""
    return ca_profiles.load(resources.files("ca").joinpath("profiles.toml").read_text("utf-8"))


def rulebooks() -> dict[str, str]:
    """Return the texts of the rulebooks by file name; a new instance gets a copy of its own."""
    folder = resources.files("policy").joinpath("rulebooks")
    return {
        each.name: each.read_text("utf-8")
        for each in sorted(folder.iterdir(), key=lambda each: each.name)
        if each.name.endswith(".toml")
    }


def sample() -> Path:
    """Return the folder of the sample spring (see `recording`)."""
    return Path(str(resources.files("app").joinpath("sample")))
