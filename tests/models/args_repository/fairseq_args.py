import torch.nn as nn


class TransformerModel(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.embed = nn.Embedding(args.vocab_size, args.encoder_embed_dim, padding_idx=args.pad_idx)
        layer = nn.TransformerEncoderLayer(
            args.encoder_embed_dim,
            args.encoder_attention_heads,
            args.encoder_ffn_embed_dim,
            args.dropout,
            batch_first=True,
        )
        self.encoder = nn.TransformerEncoder(layer, args.encoder_layers)
        self.out = nn.Linear(args.encoder_embed_dim, args.num_classes)
        if args.share_all_embeddings:
            self.out2 = nn.Linear(1, 1)

    def forward(self, src_tokens):
        return self.out(self.encoder(self.embed(src_tokens)).mean(1))
