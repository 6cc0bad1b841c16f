"""The SyncNet's towers, what they see, and how their pictures are varied."""

import pytest
import torch

from synctalk.face.data import CLIP_FRAMES, SYNC_MELS
from synctalk.face.syncnet import FACE_COLUMNS, FACE_ROWS, SyncNet, lower_faces, vary_faces

B, K = 3, 4


@pytest.fixture
def network() -> SyncNet:
    torch.manual_seed(0)
    return SyncNet()


@pytest.fixture
def faces() -> torch.Tensor:
    return torch.rand(B, CLIP_FRAMES, 3, FACE_ROWS, FACE_COLUMNS, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def mels() -> torch.Tensor:
    return torch.randn(B, K, 80, SYNC_MELS, generator=torch.Generator().manual_seed(2))


def test_every_clip_is_compared_with_each_of_its_sounds(network: SyncNet, faces: torch.Tensor, mels: torch.Tensor):
    network.eval()
    logits = network(faces, mels)
    assert logits.shape == (B, K)
    alone = network(faces[1:2], mels[1:2, 2:3])
    assert torch.allclose(alone[0, 0], logits[1, 2], atol=1e-5)


def test_embeddings_are_unit_vectors(network: SyncNet, faces: torch.Tensor, mels: torch.Tensor):
    for embedding in (network.embed_faces(faces), network.embed_sounds(mels)):
        assert torch.allclose(embedding.norm(dim=-1), torch.ones(embedding.shape[:-1]), atol=1e-5)


def test_light_and_skin_tell_nothing(network: SyncNet, faces: torch.Tensor):
    network.eval()
    brighter = faces + torch.rand(B, 1, 3, 1, 1)
    assert torch.allclose(network.embed_faces(brighter), network.embed_faces(faces), atol=1e-4)


def test_gradient_reaches_every_weight(network: SyncNet, faces: torch.Tensor, mels: torch.Tensor):
    network(faces, mels).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_frozen_judge_gives_gradients_to_pictures_only(network: SyncNet, faces: torch.Tensor, mels: torch.Tensor):
    judge = SyncNet.from_state(network.state_dict())
    faces.requires_grad_()
    judge(faces, mels).sum().backward()
    assert faces.grad is not None
    assert faces.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in judge.parameters())
    assert not judge.training


@pytest.mark.parametrize("size_px", [64, 128, 320])
def test_only_the_lower_face_is_seen(size_px: int):
    crops = torch.rand(2, 5, 3, size_px, size_px)
    seen = lower_faces(crops)
    assert seen.shape == (2, 5, 3, FACE_ROWS, FACE_COLUMNS)
    crops[..., : size_px // 4, :] = 0
    assert torch.equal(lower_faces(crops), seen)


def test_no_variation_changes_nothing(faces: torch.Tensor):
    still = torch.zeros(B, 4)
    assert torch.allclose(vary_faces(faces, still), faces, atol=1e-5)


def test_all_frames_of_a_clip_vary_alike(faces: torch.Tensor):
    repeated = faces[:, :1].repeat(1, CLIP_FRAMES, 1, 1, 1)
    varied = vary_faces(repeated, torch.tensor([[0.5, -1.0, 0.7, -0.2]] * B))
    assert torch.allclose(varied, varied[:, :1].expand_as(varied), atol=1e-6)
    assert not torch.allclose(varied, repeated, atol=0.01)


def test_a_negative_last_figure_mirrors(faces: torch.Tensor):
    mirrored = vary_faces(faces, torch.tensor([[0.0, 0.0, 0.0, -1.0]] * B))
    assert torch.allclose(mirrored, faces.flip(-1), atol=1e-4)
