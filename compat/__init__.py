"""OpenAI's audio API, answered by Alibaba Model Studio (DashScope)."""

__version__ = "0.1.0"
