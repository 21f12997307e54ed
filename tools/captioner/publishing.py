"""Publishes bundles in S3, where the functions find them (`CAPTION_MODEL=s3://bucket/prefix`).

    prefix/current.json         which version is current, and which ones were before
    prefix/<version>/...        a bundle's four files, never altered once they are there

The files go up first, and are there by S3's own record before the manifest is written; `current.json` is replaced last,
in one write, so that a reader gets the old bundle or the new one and nothing between. What was interrupted is given
again and goes on: what S3 has whole is not sent again.

Refuses: a bundle that is incomplete, altered, or that the serving layer cannot run; another bundle under a version that
was published before; to undo what somebody else published meanwhile; to go back to a version that is not whole.
"""

from hashlib import sha256
from pathlib import Path

from captioning.captioner import Captioner
from captioning.model.bundle import read_bundle, read_manifest
from captioning.sources.publication import Publication, Release
from tools.captioner.errors import PublicationError
from tools.captioner.progress import announce
from tools.captioner.shelf import Shelf

__all__ = ["publish_bundle", "roll_back"]


def publish_bundle(folder: Path, url: str) -> str:
    """Upload the bundle in `folder` to the place that `url` names, make it current, and give back its version.

    Raises:
        PublicationError: what is published at the place, or what became of the files, is in the way.
        ToolchainError: boto3 is not installed.
        CaptioningError: the serving layer refuses the bundle, or S3 the place.
    """
    bundle = read_bundle(folder)
    content = read_manifest(folder)
    Captioner(bundle)
    release = Release(bundle.manifest.model_version, sha256(content).hexdigest())
    shelf = Shelf.at(url)
    found = shelf.read_publication()
    if (theirs := shelf.read_manifest(release)) not in {None, content}:
        raise PublicationError(
            f"{shelf.place}/{release.model_version} is published with another manifest, and is not altered: "
            "give this bundle's manifest a model_version of its own"
        )
    files = bundle.manifest.files
    missing = [file for file in files if not shelf.holds(release, file, folder)]
    if len(missing) < len(files):
        announce(f"{shelf.place}/{release.model_version}: {len(files) - len(missing)} of {len(files)} files are there")
    if missing:
        shelf.send(release, folder, missing)
    for file in missing:
        if not shelf.holds(release, file, folder):
            raise PublicationError(
                f"{shelf.place}/{release.model_version}/{file.name} did not arrive as it was sent: run this again"
            )
    if theirs is None:
        shelf.write_manifest(release, content)
    if found.publication and found.publication.current == release:
        announce(f"{shelf.place}: {release.model_version} is current already")
    else:
        shelf.move(found, found.publication.moved_to(release) if found.publication else Publication(release))
        announce(f"{shelf.place}: {release.model_version} is current")
    return release.model_version


def roll_back(url: str, version: str | None = None) -> str:
    """Make the version current again that was so before, or the one named; give back which it is.

    Each of its files is checked first.

    Raises:
        PublicationError: there is no such version to go back to, or it is not whole.
        ToolchainError: boto3 is not installed.
        CaptioningError: S3 refuses the place.
    """
    shelf = Shelf.at(url)
    found = shelf.read_publication()
    if found.publication is None:
        raise PublicationError(f"{shelf.place}: nothing was published here yet")
    previous = {release.model_version: release for release in reversed(found.publication.previous)}
    wanted = version or next((release.model_version for release in found.publication.previous), None)
    if wanted is None:
        raise PublicationError(f"{shelf.place}: nothing was current before {found.publication.current.model_version}")
    if wanted not in previous:
        raise PublicationError(
            f"{shelf.place}: {wanted} was not current before; these were, the latest first: "
            f"{', '.join(release.model_version for release in found.publication.previous) or 'none'}"
        )
    shelf.check(previous[wanted])
    shelf.move(found, found.publication.moved_back_to(previous[wanted]))
    announce(f"{shelf.place}: {wanted} is current again")
    return wanted
