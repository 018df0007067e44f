import torch
import torch.nn as nn


class DataEmbedding(nn.Module):
    def __init__(self, c_in, d_model, embed_type="fixed", freq="h", dropout=0.1):
        super().__init__()
        freq_map = {"h": 4, "t": 5, "s": 6, "m": 1}
        self.value = nn.Linear(c_in, d_model)
        self.temporal = nn.Linear(freq_map[freq], d_model) if embed_type == "timeF" else nn.Embedding(24, d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, x_mark):
        return self.dropout(self.value(x))


class Model(nn.Module):
    def __init__(self, configs):
        super(Model, self).__init__()
        self.task_name = configs.task_name
        self.pred_len = configs.pred_len
        self.seq_len = configs.seq_len
        self.label_len = configs.label_len
        self.output_attention = getattr(configs, "output_attention", False)
        self.enc_embedding = DataEmbedding(
            configs.enc_in, configs.d_model, configs.embed, configs.freq, configs.dropout
        )
        layer = nn.TransformerEncoderLayer(
            configs.d_model, configs.n_heads, configs.d_ff, activation=configs.activation, batch_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, configs.e_layers)
        if self.task_name == "long_term_forecast" or self.task_name == "short_term_forecast":
            self.projection = nn.Linear(configs.d_model, configs.c_out, bias=True)
            self.time = nn.Linear(self.seq_len, self.pred_len)
        if self.task_name == "classification":
            self.projection = nn.Linear(configs.d_model * configs.seq_len, configs.num_class)

    def forward(self, x_enc, x_mark_enc=None, x_dec=None, x_mark_dec=None, mask=None):
        out = self.projection(self.encoder(self.enc_embedding(x_enc, x_mark_enc)))
        return self.time(out.transpose(1, 2)).transpose(1, 2)
