"""Evidence packs: asked for, built by a worker, downloaded; each on the record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from posixpath import commonpath
from typing import BinaryIO, cast

from django.core.files.storage import default_storage
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.utils import timezone
from django.utils.text import slugify

from audits import jobs
from audits.leases import Lease
from audits.models import Job
from people.access import objections_to
from people.models import Unit, User
from people.roles import Duty
from registry import storage, words
from registry.models import Version
from reports import contents, queries
from reports.events import Event
from reports.models import Pack, PackVersion
from trail import past
from trail.canonical import canonical, digest
from trail.errors import BadInput, Refused
from trail.record import recording

KIND = "pack"
AS_ASKED = "Built as it was asked for"
LONGEST_TITLE = 300
MOST_VERSIONS = 5_000
MOST_REFUSALS = 20


def request(
    *,
    versions: Sequence[Version],
    actor: User,
    reason: str,
    title: str = "",
    as_of: datetime | None = None,
    scope: str = "",
) -> Pack:
    """Ask for one evidence pack of these versions, as they are or as they were; a worker builds it.

    It takes leave to export in the unit of every version. `scope` says in words what was asked for.
    """
    versions = list(dict.fromkeys(versions))
    _refuse_odd(versions, as_of)
    pack = Pack(
        title=words.line(title, where="title", most=LONGEST_TITLE) or titled(versions, scope),
        scope=words.line(scope, where="scope", most=LONGEST_TITLE),
        unit=common_unit({version.unit_path for version in versions}),
        as_of=as_of,
        requested_by=actor,
    )
    with recording(Event.PACK_REQUESTED, actor=actor, reason=reason, subject=pack) as entry:
        _require(actor, {version.unit_path for version in versions})
        pack.job = jobs.enqueue(KIND)
        entry.create(pack, "title", "scope", "as_of")
        for position, version in enumerate(versions):
            entry.create(PackVersion(pack=pack, version=version, position=position))
        ids = [str(version.pk) for version in versions]
        entry.facts = {"versions": len(ids), "versions_digest": digest(canonical(ids))}
        if len(ids) == 1:
            entry.facts["version"] = ids[0]
    return pack


def request_unit(*, unit: Unit, actor: User, reason: str, title: str = "", as_of: datetime | None = None) -> Pack:
    """Ask for one pack of every model of a unit and those below: its newest version, and whichever is in use."""
    _refuse_future(as_of)
    with past.as_of(as_of):
        ids = list(queries.versions_of_unit(unit.path).values_list("pk", flat=True))
    if not (found := queries.live(ids)):
        raise BadInput(f"{unit} has no version of any model{' at that moment' if as_of else ''}.", where="unit")
    return request(
        versions=found, actor=actor, reason=reason, title=title, as_of=as_of, scope=f"Every model of {unit.name}"
    )


def titled(versions: Sequence[Version], scope: str) -> str:
    return (str(versions[0]) if len(versions) == 1 else scope or f"{len(versions)} versions")[:LONGEST_TITLE]


def common_unit(paths: set[str]) -> str:
    """The lowest unit that all of them lie in or below; empty if there is none."""
    return commonpath(paths)


def _refuse_odd(versions: Sequence[Version], as_of: datetime | None) -> None:
    if not versions:
        raise BadInput("A pack is of one version at least.", where="versions")
    if len(versions) > MOST_VERSIONS:
        sentence = f"These are {len(versions):,} versions; a pack holds at most {MOST_VERSIONS:,}, so divide it."
        raise BadInput(sentence, where="versions")
    _refuse_future(as_of)
    if later := next((version for version in versions if as_of and version.created_at > as_of), None):
        raise BadInput(f"{later} was registered after {as_of:%-d %B %Y, %H:%M} UTC.", where="as_of")


def _refuse_future(as_of: datetime | None) -> None:
    if as_of and as_of > timezone.now():
        raise BadInput("A pack shows a moment that has passed; this one is to come.", where="as_of")


def _require(actor: User, paths: set[str]) -> None:
    """Leave to export in each of these units."""
    standing = [objection for path in sorted(paths) for objection in objections_to(actor, Duty.EXPORT, path)]
    if standing:
        raise Refused(list(dict.fromkeys(standing))[:MOST_REFUSALS])


def failed(lease: Lease, sentence: str) -> None:
    pack = Pack.objects.select_related("requested_by").get(job=lease.job)
    with recording(Event.PACK_FAILED, actor=pack.requested_by, reason=AS_ASKED, subject=pack) as entry:
        entry.facts = {"error": sentence}
        lease.fail(sentence)


@jobs.handles(KIND, on_failure=failed)
def build(job: Job, lease: Lease) -> None:
    """Gather, render and seal a pack; it is there whole and recorded, or not at all."""
    pack = Pack.objects.select_related("requested_by").get(job=job)
    with TemporaryUploadedFile(f"{pack.pk}.zip", "application/zip", 0, None) as file:
        written = cast(BinaryIO, file.file)
        count = contents.write(pack, written, progress=lease.progress)
        written.flush()
        size, sha256 = written.tell(), storage.sha256(written)
        lease.progress(0.97, "Storing the pack")
        path = default_storage.save(f"packs/{pack.pk}.zip", file)
    try:
        with recording(Event.PACK_BUILT, actor=pack.requested_by, reason=AS_ASKED, subject=pack) as entry:
            entry.facts = {"sha256": sha256, "size": size, "files": count}
            entry.change(pack, path=path, sha256=sha256, size=size)
            lease.succeed()
    except BaseException:
        default_storage.delete(path)
        raise


def open_download(*, pack: Pack, actor: User, reason: str) -> BinaryIO:
    """The pack's file, once the download is recorded. A file that is no longer what was recorded is not given out."""
    if not pack.path:
        sentence = f"The {pack} is {pack.job.get_status_display().lower()}; there is nothing to download yet."
        raise BadInput(sentence, where="pack", status=409)
    with recording(Event.PACK_DOWNLOADED, actor=actor, reason=reason, subject=pack) as entry:
        _require(actor, queries.unit_paths(pack))
        entry.facts = {"sha256": pack.sha256}
        file = storage.open_kept(pack.path)
        if storage.sha256(file) != pack.sha256:
            file.close()
            sentence = f"The stored file of the {pack} is not the one that was built; ask for a new pack."
            raise BadInput(sentence, where="pack", status=409)
    return file


def file_name(pack: Pack) -> str:
    """A name that sorts well among others: what it is of, and when."""
    only = queries.only_version(pack)
    about = f"{only.model.slug}-v{only.number}" if only else slugify(pack.title)[:80] or "evidence"
    return f"{about}-{pack.requested_at:%Y%m%d-%H%M%S}.zip"
