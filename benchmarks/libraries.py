"""torchvision, timm and transformers as the registry has them, whichever torch is beside them."""

from __future__ import annotations

from importlib import import_module

from registry_torchvision import torchvision_without_operators

torchvision_without_operators()
torchvision, timm, transformers = map(import_module, ("torchvision", "timm", "transformers"))
# transformers imports torchaudio where it is installed, whose compiled part needs its own torch.
transformers.utils.is_torchaudio_available = lambda: False
