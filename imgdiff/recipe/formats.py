"""What a finished run can be written as: the names that recipes may give."""

FORMATS = {  # names, also of the modules in `imgdiff.export` -> their classes
    "parquet": "Parquet",
    "llava": "Llava",
    "llava_interleave": "LlavaInterleave",
    "ms_swift": "MsSwift",
    "llama_factory": "LlamaFactory",
    "trl": "Trl",
    "qwen_vl": "QwenVL",
    "webdataset": "WebDataset",
}
ALWAYS = "parquet"  # what every run leaves in `data/`
