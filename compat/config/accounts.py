"""Settings of the accounts of Model Studio that the server uses, and the addresses at which DashScope serves them."""

from __future__ import annotations

from dataclasses import dataclass

from compat.config import parsers, regions
from compat.config.variables import SettingsError, setting


def _root(prefix: str, region: str | None, workspace_id: str | None, base_url: str | None) -> str:
    try:
        return regions.root(region, workspace_id, base_url)
    except ValueError as exc:
        raise SettingsError(f"{prefix}REGION should be one of {exc}; any other needs {prefix}WORKSPACE_ID.") from exc


@dataclass(frozen=True, kw_only=True)
class Accounts:
    dashscope_api_key: str | None = setting(
        None,
        parsers.key,
        "Key of the Model Studio account. Without it `serve` uses a local engine.",
        "DASHSCOPE_API_KEY",
    )
    region: str | None = setting(
        None,
        parsers.label,
        "`beijing` (default), `singapore`, `us`, `cn-hongkong`; with a workspace any region id.",
        "DASHSCOPE_REGION",
        "DASHSCOPE_API_REGION",
    )
    workspace_id: str | None = setting(
        None,
        parsers.label,
        "Workspace id: the workspace's own host is used.",
        "DASHSCOPE_WORKSPACE_ID",
        "DASHSCOPE_WORKSPACE",
    )
    base_url: str | None = setting(
        None,
        parsers.service,
        "Base URL of the service, instead of a region's; a trailing `/api/v1` is dropped.",
        "DASHSCOPE_BASE_URL",
        "DASHSCOPE_HTTP_BASE_URL",
        "DASHSCOPE_COMPATIBLE_BASE_URL",
    )
    websocket_url: str | None = setting(
        None, parsers.url, "Root for live speech, if it differs from the service's.", "DASHSCOPE_WEBSOCKET_BASE_URL"
    )
    fallback_api_key: str | None = setting(
        None,
        parsers.key,
        "Key of a second account, for models that the first cannot use.",
        "DASHSCOPE_FALLBACK_API_KEY",
    )
    fallback_region: str | None = setting(
        None, parsers.label, "Region of the second account, if it differs.", "DASHSCOPE_FALLBACK_REGION"
    )
    fallback_workspace_id: str | None = setting(
        None, parsers.label, "Workspace of the second account.", "DASHSCOPE_FALLBACK_WORKSPACE_ID"
    )
    fallback_base_url: str | None = setting(
        None, parsers.service, "Base URL of the service for the second account.", "DASHSCOPE_FALLBACK_BASE_URL"
    )

    def check_accounts(self) -> None:
        """Raise SettingsError for a second account without a key, and for an account whose region is unknown."""
        for name in ("fallback_region", "fallback_workspace_id", "fallback_base_url"):
            if getattr(self, name) and not self.fallback_api_key:
                raise SettingsError(
                    f"DASHSCOPE_{name.upper()} needs DASHSCOPE_FALLBACK_API_KEY, the key of the second account."
                )
        _ = self.root, self.fallback_root  # an unknown region fails at startup, not at the first request

    @property
    def short_region(self) -> str:
        """Return `beijing`, `singapore`, `us`, another region's id, or `custom` for an address of no known region."""
        return regions.short(self.region, self.base_url)

    @property
    def root(self) -> str:
        """Return DashScope's HTTP root, without a path: `https://dashscope.aliyuncs.com`."""
        return _root("DASHSCOPE_", self.region, self.workspace_id, self.base_url)

    @property
    def fallback_root(self) -> str | None:
        """Return the HTTP root of the second account, None without one. The default is that of the first account."""
        if not self.fallback_api_key:
            return None
        region, workspace, address = self.fallback_region, self.fallback_workspace_id, self.fallback_base_url
        if not (region or workspace or address):
            return self.root
        return _root("DASHSCOPE_FALLBACK_", region or self.region, workspace, address)

    @property
    def live_root(self) -> str:
        """Return DashScope's WebSocket root: `wss://dashscope.aliyuncs.com`."""
        return regions.live_root(self.websocket_url or self.root)

    @property
    def fallback_live_root(self) -> str | None:
        root = self.fallback_root
        return self.live_root if root == self.root else root and regions.live_root(root)
