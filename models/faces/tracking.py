"""One person from frame to frame of a video, or from picture to picture, by place and by likeness (ours).

Who is meant is chosen once. Within a shot every face is followed by its place, as long as no other comes near; where it
is doubtful who is who, codes are compared. After a cut, or among photos, the person is known again by likeness; where
nobody is like those chosen before, one is chosen anew. The time it takes grows with the frames, not with their square.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .choice import NoFace, choose_faces
from .mesh import Face

SAME = 0.4  # cosine of identity codes; of one LFW person 99 % of pairs of photos are above, of two 99.5 % below
STEP, NEAR = 0.5, 1.5  # moves from one frame to the next, as a part of the face's size: usual ones; doubtful ones
FAR = 0.1  # how much cosine a move by one size is worth, of moves up to MOST sizes
MOST = 2.0
UNSETTLED = 5  # frames for which people stay doubtful after they were near each other
KEPT = 250  # frames for which somebody who is out of sight is remembered within a shot
CUT = 0.12  # mean difference of thumbnails, of 2
THUMBNAIL = 12  # pixels
REMEMBERED = 20  # people chosen in earlier shots


@dataclass
class _Person:
    where: Tensor  # (3,) middle and size of the face, pixels
    speed: Tensor  # (3,) pixels a frame
    code: Tensor  # (D,) unit length
    first: int  # frame
    seen: int  # frame, the last so far
    crowded: int = -UNSETTLED  # frame in which somebody was near


class Follower:
    """Chooses a face in each of many pictures, which are given in their order."""

    def __init__(self, encode: Callable[[Tensor, list[Face]], Tensor], choose: str):
        """
        encode  a picture (3, H, W) and n of its faces -> (n, D) identity codes
        choose  as in choose_faces(), but one face
        """
        self.encode, self.choose = encode, choose
        self.now, self.thumbnail = -1, None
        self.people: list[_Person] = []  # of this shot
        self.followed: _Person | None = None
        self.chosen: list[Tensor] = []  # codes, the latest last

    def __call__(self, picture: Tensor, faces: Sequence[Face], what: str) -> list[Face]:
        """The face that is meant; NoFace in words where it is not there.

        picture  (3, H, W) in [-1, 1]
        faces    all faces in it, largest first
        what     the picture's role, for messages
        """
        self.now += 1
        thumbnail = F.interpolate(picture[None].float(), (THUMBNAIL, THUMBNAIL), mode="area").cpu()
        cut = self.thumbnail is None or float((thumbnail - self.thumbnail).abs().mean()) > CUT
        self.thumbnail = thumbnail
        if cut:
            self.people, self.followed = [], None
        owners = self._owners(picture, faces)
        if faces and all(owner.first == self.now for owner in owners):  # another shot, or another photo
            self.people, self.followed = owners, None
        if not faces or self.followed is None:
            (wanted,) = choose_faces(faces, self.choose, picture.shape[-2:], what)  # says so where it is not there
            (number,) = (i for i, face in enumerate(faces) if face is wanted)
            self.followed = self._known_again(owners, owners[number])
        for face, owner in zip(faces, owners, strict=True):
            if owner is self.followed:
                return [face]
        choose_faces(faces, self.choose, picture.shape[-2:], what)  # there may be too few to choose from
        raise NoFace(
            f"the face that was chosen in an earlier picture is not seen in the {what}, which shows {len(faces)}; pass "
            "such pictures through or skip them, or take pictures that all show it"
        )

    def _known_again(self, people: Sequence[_Person], wanted: _Person) -> _Person:
        """Of a new shot's people the one whom `choose` means, unless it is nobody chosen before, and another is."""
        for code in reversed(self.chosen):
            alike = [person for person in people if float(person.code @ code) > SAME]
            if alike:
                return max(alike, key=lambda person: float(person.code @ code) + SAME * (person is wanted))
        self.chosen = [*self.chosen[1 - REMEMBERED :], wanted.code]
        return wanted

    def _owners(self, picture: Tensor, faces: Sequence[Face]) -> list[_Person]:
        """Whose faces they are; people who were not seen in this shot before are new."""
        if not faces:
            return []
        places = torch.stack([_where(face) for face in faces])  # (n, 3)
        owners: dict[int, _Person] = {}
        self.people = [one for one in self.people if one is self.followed or self.now - one.seen <= KEPT]
        people = self.people
        if people:
            away = self._away(places)  # (people, n)
            near = away < NEAR
            for i, person in enumerate(people):
                (candidates,) = near[i].nonzero(as_tuple=True)
                if len(candidates) > 1 or near[:, candidates].sum() > 1:
                    person.crowded = self.now
                settled = self.now - person.crowded > UNSETTLED and person.seen == self.now - 1
                if settled and len(candidates) and away[i, candidates] < STEP:
                    owners[int(candidates)] = person
        left = [i for i in range(len(faces)) if i not in owners]
        if left:
            codes = F.normalize(self.encode(picture, [faces[i] for i in left]).float().cpu(), dim=1)
            taken = {id(person) for person in owners.values()}
            pairs = [
                (float(code @ person.code) - FAR * min(float(away[p, i]), MOST), i, p)
                for i, code in zip(left, codes, strict=True)
                for p, person in enumerate(people)
                if id(person) not in taken
            ]
            for score, i, p in sorted(pairs, reverse=True):
                if i not in owners and id(people[p]) not in taken and score > SAME - FAR * MOST:
                    owners[i] = people[p]
                    taken.add(id(people[p]))
            for i, code in zip(left, codes, strict=True):
                if i not in owners:
                    owners[i] = _Person(places[i], torch.zeros(3), code, self.now, self.now)
                    self.people = [*self.people, owners[i]]
        for i, person in owners.items():
            if person.seen < self.now:
                person.speed = (places[i] - person.where) / (self.now - person.seen)
                person.where, person.seen = places[i], self.now
        return [owners[i] for i in range(len(faces))]

    def _away(self, places: Tensor) -> Tensor:
        """(people, n): how far faces at (n, 3) are from where people should be by now, in sizes of their faces."""
        rows = []
        for person in self.people:
            expected = person.where + person.speed * min(self.now - person.seen, UNSETTLED)
            rows.append((places - expected).abs().amax(1) / person.where[2])
        return torch.stack(rows)


def _where(face: Face) -> Tensor:
    low, high = face.points[:, :2].aminmax(dim=0)
    return torch.cat([(low + high) / 2, (high - low).max()[None]]).cpu()
