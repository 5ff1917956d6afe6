"""What says of a file that an AI model made it, wholly or partly: a property of the work, no signal
about its use.

Sources: IPTC NewsCodes, Digital Source Type; IPTC Photo Metadata Standard 2025.1; C2PA 2.1, 18.15
(``digitalSourceType`` of actions).
"""

from __future__ import annotations

AI_SOURCES = ("trainedalgorithmicmedia", "compositewithtrainedalgorithmicmedia", "compositesynthetic")
"""Digital source types, in lower case, of files made wholly or partly by an AI model."""
AI_PROPERTIES = ("AIPromptInformation", "AIPromptWriterName", "AISystemUsed", "AISystemVersionUsed")
"""Properties of IPTC's extension schema about the generative system, its prompt and its writer."""
C2PA_SOURCE = "digitalSourceType"
"""Name of the field with the source types of a manifest's actions."""
